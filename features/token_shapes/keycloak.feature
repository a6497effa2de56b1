@structured-configuration @oidc
Feature: Keycloak: tokens of a realm

  Background:
    Given an API server with the issuers of known providers

  Rule: An ID token names its user, and groups come from a mapper

    @TS1
    Scenario: Alice has the name and the groups of the realm, with their paths
      Given Alice holds a token of the issuer "keycloak"
      When she asks the API server who she is
      Then she is accepted as "keycloak:alice"
      And she is in exactly the groups "keycloak:/team-a", "keycloak:/platform/admins" and "system:authenticated"
      And she has no UID

    @TS1
    Scenario: Alice has no groups if the client has no mapper for them
      Given Alice holds a token of the issuer "keycloak" with the claim
        | groups |  |
      When she asks the API server who she is
      Then she is accepted as "keycloak:alice"
      And she is in exactly the group "system:authenticated"

  Rule: An access token is another kind of token, mostly for another audience

    @TS2
    @requires:server_log
    Scenario Outline: A token of Keycloak is refused if it is <token>
      Given Alice holds a token of the issuer "keycloak" with the claims
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, with a valid token, is still accepted

      Examples: An audience that no mapper adds
        | token              | claim | value   | reason                                         |
        | for accounts alone | aud   | account | expected audience "kubernetes" got ["account"] |
        | for no audience    | aud   |         | expected audience "kubernetes" got []          |

      @G21
      Examples: Another kind
        | token           | claim | value  | reason                 |
        | an access token | typ   | Bearer | failed: only ID tokens |

    @TS1 @G24
    Scenario: Alice has the roles of the realm, which are within another claim
      Given Alice holds a token of the issuer "keycloak-realm-roles"
      When she asks the API server who she is
      Then she is accepted as "keycloak:alice"
      And she is in exactly the groups "keycloak:offline_access", "keycloak:developer" and "system:authenticated"

    @TS1 @G24
    Scenario: Alice has no roles in a token that has them at its top
      Given Alice holds a token of the issuer "keycloak-realm-roles" with the claims
        | realm_access |               |
        | roles        | ["developer"] |
      When she asks the API server who she is
      Then she is accepted as "keycloak:alice"
      And she is in exactly the group "system:authenticated"

  Rule: The issuer contains the host that was asked

    @TS2 @O28
    @requires:server_log
    Scenario Outline: A token of Keycloak is refused if its issuer is <issuer>
      Given Alice holds a token of the issuer "keycloak" with the claim
        | iss | <url> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted

      Examples:
        | issuer                                    | url                                           |
        | the address of a login within the network | https://keycloak:8443/realms/acme             |
        | that of versions before 17                | https://keycloak.example.com/auth/realms/acme |
