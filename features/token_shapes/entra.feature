@structured-configuration @oidc
Feature: Microsoft Entra ID: ID tokens and access tokens of one tenant

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the object id, which no other user gets

    @TS1
    Scenario: Alice's ID token names her by her object id
      Given Alice holds a token of the issuer "entra-v2"
      When she asks the API server who she is
      Then she is accepted as "entra:8e2f4a70-91bc-4d36-b5e8-0c7d19a3f264"
      And she is in exactly the groups "entra:1d3c5b7a-9e8f-4a06-8b24-c6e0f1a29d53", "entra:f7a40e92-2b6d-4c1f-a3d8-5e91b07c4826" and "system:authenticated"
      And she has no UID
      And she has the extra "example.com/preferred-username" with "alice@example.com"

    @TS1
    Scenario: Alice's access token of version 1.0 names the same object id
      Given Alice holds a token of the issuer "entra-v1"
      When she asks the API server who she is
      Then she is accepted as "entra:8e2f4a70-91bc-4d36-b5e8-0c7d19a3f264"
      And she is in exactly the groups "entra:1d3c5b7a-9e8f-4a06-8b24-c6e0f1a29d53" and "system:authenticated"
      And she has no UID
      And she has no extra

    @TS4
    Scenario: Mallory is Alice if the user is an address that Alice had before
      Given Mallory holds a token of the issuer "entra-by-preferred-username" with the claim
        | oid | 4d0e6b1c-7f3a-4c82-9a55-e2b8d0f71c36 |
      When she asks the API server who she is
      Then she is accepted as "entra:alice@example.com"

  Rule: A user with more than 200 groups gets a reference in place of the groups

    @TS2 @G21
    @requires:server_log
    Scenario: Bob has too many groups, and is told what to do
      Given Bob holds a token of the issuer "entra-v2-overage"
      When he asks the API server who he is
      Then he is refused as unauthenticated, because "failed: the user has too many groups for a token: assign groups to the application"
      But Alice, with a valid token, is still accepted

    @TS3 @O23
    @requires:server_log
    Scenario: Bob has too many groups, which the API server requests in vain
      Given Bob holds a token of the issuer "entra-groups-by-claim"
      When he asks the API server who he is
      Then he is refused as unauthenticated, because "oidc: could not expand distributed claims"
      But Alice, with a valid token, is still accepted

    # Since names can be escaped, all claims together are no map to an expression.
    @TS3 @G23
    @requires:server_log
    @requires:escaped_claim_names
    Scenario: Alice is refused if a rule looks for the name of a claim among all claims
      Given Alice holds a token of the issuer "entra-in-claims" with the claim
        | _claim_names |  |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "no such overload"
      But Alice, with a valid token, is still accepted

    @TS4
    Scenario: Bob has too many groups, and is accepted without any
      Given Bob holds a token of the issuer "entra-without-rule"
      When he asks the API server who he is
      Then he is accepted as "entra:2b9d7e14-c05a-4f83-9e67-a1d4f8b3c072"
      And he is in exactly the group "system:authenticated"

    @TS4
    Scenario: Bob has too many groups for the implicit flow, and is accepted without any
      Given Bob holds a token of the issuer "entra-v2" with the claims
        | groups    |                                      |
        | hasgroups | true                                 |
        | oid       | 2b9d7e14-c05a-4f83-9e67-a1d4f8b3c072 |
      When he asks the API server who he is
      Then he is accepted as "entra:2b9d7e14-c05a-4f83-9e67-a1d4f8b3c072"
      And he is in exactly the group "system:authenticated"

  Rule: No token says whether an address is verified

    @TS3 @G23
    @requires:server_log
    Scenario: Alice is refused if a rule demands a verified address
      Given Alice holds a token of the issuer "entra-by-address"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "no such key: email_verified"
      But Alice, with a valid token, is still accepted

  Rule: An application decides on the version and on the audience of its access tokens

    @TS1
    Scenario Outline: Alice's access token is accepted for the audience <audience> if both are configured
      Given Alice holds a token of the issuer "entra-v1-two-audiences" with the claim
        | aud | <audience> |
      When she asks the API server who she is
      Then she is accepted as "entra:8e2f4a70-91bc-4d36-b5e8-0c7d19a3f264"

      Examples:
        | audience                                   |
        | c9a1e6d2-3f47-4b8e-8d15-7a60f2b94e13       |
        | api://c9a1e6d2-3f47-4b8e-8d15-7a60f2b94e13 |

    @TS2
    @requires:server_log
    Scenario Outline: A token of Entra is refused by "<issuer>" if it is <token>
      Given Alice holds a token of the issuer "<issuer>" with the claim
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, with a valid token, is still accepted

      Examples: Another audience
        | issuer   | token               | claim | value                                | reason                                                             |
        | entra-v1 | for the client id   | aud   | c9a1e6d2-3f47-4b8e-8d15-7a60f2b94e13 | expected audience "api://c9a1e6d2-3f47-4b8e-8d15-7a60f2b94e13" got |
        | entra-v1 | for Microsoft Graph | aud   | 00000003-0000-0000-c000-000000000000 | expected audience "api://c9a1e6d2-3f47-4b8e-8d15-7a60f2b94e13" got |

      @G21
      Examples: Another kind of token
        | issuer   | token                  | claim | value | reason                                                     |
        | entra-v1 | that of an application | scp   |       | failed: only for users, not for applications by themselves |
        | entra-v1 | of version 2.0         | ver   | "2.0" | failed: only tokens of version 1.0                         |
        | entra-v2 | of version 1.0         | ver   | "1.0" | failed: only tokens of version 2.0                         |

  Rule: The issuer is that of one tenant and one version, to the letter

    @TS2 @O28
    @requires:server_log
    Scenario Outline: A token of Entra is refused if its issuer is <issuer>
      Given Alice holds a token of the issuer "<configured>" with the claim
        | iss | <url> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted

      Examples:
        | issuer                                | configured | url                                                                         |
        | that of version 1.0 without the slash | entra-v1   | https://sts.windows.net/5b0c7f0a-6f1d-4e0b-9a53-2d7c1f8e4b61                |
        | the address of all tenants            | entra-v2   | https://login.microsoftonline.com/common/v2.0                               |
        | another tenant                        | entra-v2   | https://login.microsoftonline.com/00aa11bb-22cc-33dd-44ee-55ff66aa77bb/v2.0 |
