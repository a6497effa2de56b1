@structured-configuration @oidc
Feature: Dex: ID tokens of people in a directory

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the verified address of one connector

    @TS1
    Scenario: Alice is her address, with the groups of the directory
      Given Alice holds a token of the issuer "dex"
      When she asks the API server who she is
      Then she is accepted as "dex:alice@example.com"
      And she is in exactly the groups "dex:admins", "dex:developers" and "system:authenticated"
      And she has no UID
      And she has no extra

    @TS1
    Scenario: Alice has no groups if her login did not ask for them
      Given Alice holds a token of the issuer "dex" with the claim
        | groups |  |
      When she asks the API server who she is
      Then she is accepted as "dex:alice@example.com"
      And she is in exactly the group "system:authenticated"

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A token of Dex is refused if it names <what>
      Given Alice holds a token of the issuer "dex" with the claim
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed: <reason>"
      But Alice, with a valid token, is still accepted

      Examples: Connectors
        | what              | claim            | value                                         | reason                           |
        | another connector | federated_claims | {"connector_id": "github", "user_id": "4711"} | only for people of the directory |
        | no connector      | federated_claims |                                               | only for people of the directory |

      Examples: Addresses
        | what                            | claim          | value | reason                      |
        | an address that is not verified | email_verified | false | the address is not verified |
        | an address that may be verified | email_verified |       | the address is not verified |

  Rule: The issuer is the configured one to the letter

    @TS2 @O28
    @requires:server_log
    Scenario: A token of an issuer without the path is refused
      Given Alice holds a token of the issuer "dex" with the claim
        | iss | https://dex.example.com |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted
