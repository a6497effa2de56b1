@structured-configuration @oidc
Feature: Auth0: access tokens for an API of the tenant

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the subject, and groups come from a claim of the tenant's own

    @TS1
    Scenario: Alice is her subject at Auth0, with the roles of the tenant's own claim
      Given Alice holds a token of the issuer "auth0"
      When she asks the API server who she is
      Then she is accepted as "auth0:auth0|6543a1b2c3d4e5f678901234"
      And she is in exactly the groups "auth0:developer" and "system:authenticated"
      And she has no UID
      And she has no extra

    @TS1
    Scenario: Alice has no groups if the tenant adds no claim
      Given Alice holds a token of the issuer "auth0" with the claim
        | https://example.com/roles |  |
      When she asks the API server who she is
      Then she is accepted as "auth0:auth0|6543a1b2c3d4e5f678901234"
      And she is in exactly the group "system:authenticated"

    @TS1
    Scenario: Alice's token without the scope openid is for the API alone
      Given Alice holds a token of the issuer "auth0" with the claims
        | aud   | https://kubernetes.example.com |
        | scope | profile                        |
      When she asks the API server who she is
      Then she is accepted as "auth0:auth0|6543a1b2c3d4e5f678901234"

  Rule: One person who logs in in two ways is two users

    @TS4
    Scenario: Alice is another user if she logs in with Google
      Given Alice holds a token of the issuer "auth0" with the claim
        | sub | google-oauth2\|107691503500061507151 |
      When she asks the API server who she is
      Then she is accepted as "auth0:google-oauth2|107691503500061507151"

  Rule: A token for another audience, or of another issuer to the letter, is refused

    @TS2 @O5
    @requires:server_log
    Scenario: Alice's ID token, which is for the application, is refused
      Given Alice holds a token of the issuer "auth0" with the claim
        | aud | a3B7Lc1DKlMNoPqRsTuVwXyZ01234567 |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'expected audience "https://kubernetes.example.com" got ["a3B7Lc1DKlMNoPqRsTuVwXyZ01234567"]'
      But Alice, with a valid token, is still accepted

    @TS2 @O28
    @requires:server_log
    Scenario: Alice's token is refused if its issuer does not end with a slash
      Given Alice holds a token of the issuer "auth0" with the claim
        | iss | https://example.eu.auth0.com |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted
