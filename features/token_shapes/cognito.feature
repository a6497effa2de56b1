@structured-configuration @oidc
Feature: Amazon Cognito: tokens of a user pool

  Background:
    Given an API server with the issuers of known providers

  Rule: An ID token names its user in a claim with a colon

    @TS1
    Scenario: Alice has the user name and the groups of the user pool
      Given Alice holds a token of the issuer "cognito-id"
      When she asks the API server who she is
      Then she is accepted as "cognito:alice"
      And she is in exactly the groups "cognito:developers" and "system:authenticated"
      And she has no UID

    @TS1
    Scenario: Alice has no groups if she has none in the user pool
      Given Alice holds a token of the issuer "cognito-id" with the claim
        | cognito:groups |  |
      When she asks the API server who she is
      Then she is accepted as "cognito:alice"
      And she is in exactly the group "system:authenticated"

  Rule: An access token has no audience, so that no API server accepts it

    @TS2
    @requires:server_log
    Scenario: Alice's access token is refused
      Given Alice holds a token of the issuer "cognito-access"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'expected audience "57cbishk4j24pabc1234567890" got []'
      But Alice, with a valid token, is still accepted

    @TS2 @O20
    @requires:server_log
    Scenario: Alice's access token is refused even with the audience of the ID token
      Given Alice holds a token of the issuer "cognito-access" with the claims
        | aud              | 57cbishk4j24pabc1234567890 |
        | cognito:username | alice                      |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "required claim token_use value does not match. Got = access, want = id"
      But Alice, with a valid token, is still accepted
