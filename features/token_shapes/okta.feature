@structured-configuration @oidc
Feature: Okta: tokens of its authorization servers

  Background:
    Given an API server with the issuers of known providers

  Rule: An access token of a custom authorization server names its user by the login

    @TS1
    Scenario: Alice is her login, with the groups of the server's claim
      Given Alice holds a token of the issuer "okta-custom"
      When she asks the API server who she is
      Then she is accepted as "okta:alice@example.com"
      And she is in exactly the groups "okta:kubernetes-developers" and "system:authenticated"
      And she has no UID

    @TS2 @G21
    @requires:server_log
    Scenario: An application without a user is refused
      Given the robot holds a token of the issuer "okta-custom" with the claims
        | sub | 0oa8kx2m7vQpLrT5d0h7 |
        | uid |                      |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "failed: only for users, not for applications by themselves"
      But Alice, with a valid token, is still accepted

    @TS4
    Scenario: Alice is Okta's id of her in an ID token of the same server
      Given Alice holds a token of the issuer "okta-custom" with the claim
        | sub | 00u4bq9wzKcR1sXfG0h7 |
      When she asks the API server who she is
      Then she is accepted as "okta:00u4bq9wzKcR1sXfG0h7"

  Rule: An ID token of the organization's own server has groups only if a claim is configured for them

    @TS1
    Scenario: Alice has those of her groups that are about Kubernetes
      Given Alice holds a token of the issuer "okta-org"
      When she asks the API server who she is
      Then she is accepted as "okta:alice@example.com"
      And she is in exactly the groups "okta:kubernetes-developers" and "system:authenticated"
      And she has no UID

    @TS1
    Scenario: Alice has no groups if no claim is configured for them
      Given Alice holds a token of the issuer "okta-org" with the claim
        | groups |  |
      When she asks the API server who she is
      Then she is accepted as "okta:alice@example.com"
      And she is in exactly the group "system:authenticated"

    @TS2 @O5
    @requires:server_log
    Scenario: Alice's access token of the organization's own server, which is for Okta, is refused
      Given Alice holds a token of the issuer "okta-org" with the claim
        | aud | https://example.okta.com |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'expected audience "0oa8kx2m7vQpLrT5d0h7" got ["https://example.okta.com"]'
      But Alice, with a valid token, is still accepted

  Rule: Each authorization server of an organization is an issuer of its own

    @TS2 @O28
    @requires:server_log
    Scenario: A token of a custom server that is not configured is refused
      Given Alice holds a token of the issuer "okta-custom" with the claim
        | iss | https://example.okta.com/oauth2/aus9o8wzkhckw9TLa0h7z |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted
