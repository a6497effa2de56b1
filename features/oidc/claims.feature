@oidc
Feature: Claims decide about the user's name, groups and credential id

  Rule: An e-mail address is accepted unless it is marked as unverified

    Background:
      Given an API server with many differently configured issuers

    @O14
    Scenario: An e-mail address is accepted if the token does not say whether it was verified
      Given Alice holds a token of the issuer "email"
      When she asks the API server who she is
      Then she is accepted as "email:alice@example.com"

    @O13
    Scenario: A verified e-mail address is accepted
      Given Alice holds a token of the issuer "email" with the claim
        | email_verified | true |
      When she asks the API server who she is
      Then she is accepted as "email:alice@example.com"

    @O13
    @requires:server_log
    Scenario: An unverified e-mail address is refused
      Given Alice holds a token of the issuer "email" with the claim
        | email_verified | false |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: email not verified"
      But Alice, with a valid token, is still accepted

    @O15
    @requires:server_log
    Scenario: An e-mail address is refused if email_verified is the string "true"
      Given Alice holds a token of the issuer "email" with the claim
        | email_verified | "true" |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "parse 'email_verified' claim: json: cannot unmarshal string"
      But Alice, with a valid token, is still accepted

  Rule: The claim of the user name may be empty

    @O21
    Scenario: Alice's token has an empty user name, and she is denied permission to list
      Given Alice holds a token of the issuer "es256" with the claim
        | username | "" |
      When she asks to list configmaps
      Then she is refused as forbidden, because 'User "" cannot list resource "configmaps"'

  Rule: The jti claim becomes the credential id

    @O22
    @requires:jwt_credential_id
    Scenario: The id of Alice's token becomes the credential's id
      Given Alice holds a token of the issuer "es256" with the claim
        | jti | alices-token |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the extra "authentication.kubernetes.io/credential-id" with "JTI=alices-token"

    @O22
    Scenario: A jti claim that is a number is ignored
      Given Alice holds a token of the issuer "es256" with the claim
        | jti | 4711 |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no extra "authentication.kubernetes.io/credential-id"

  Rule: Claims that the configuration does not name add nothing

    @O31
    Scenario Outline: Alice has nothing from claims with other names at the issuer "<issuer>"
      Given Alice holds a token of the issuer "<issuer>" with the claims
        | group              | ["admins"] |
        | Groups             | ["admins"] |
        | roles              | ["admins"] |
        | user_groups        | ["admins"] |
        | uid                | "4711"     |
        | user_id            | "4711"     |
        | extra              | night      |
        | scope              | admins     |
        | preferred_username | da-admin   |
        | jti                |            |
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "system:authenticated"
      And she has no UID
      And she has no extra

      Examples:
        | issuer | user        |
        | rs256  | rs256:alice |
        | es256  | alice       |

  Rule: A token may get its groups from a distributed claim

    Background:
      Given an API server with many differently configured issuers

    @O23
    Scenario: Alice has the groups that another token names
      Given Alice holds a token that gets its groups from another token
      When she asks the API server who she is
      Then she is accepted as "distributed-claims:alice"
      And she is in exactly the groups "distributed-claims:platform-team" and "system:authenticated"

    @O23
    @requires:server_log
    Scenario Outline: A token that gets its groups from <source> is refused
      Given Alice holds a token that gets its groups from <source>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, with a valid token, is still accepted

      Examples:
        | source                             | reason                                                                      |
        | an address that does not exist     | error while getting distributed claim JWT: 404                              |
        | a directory that demands a login   | error while getting distributed claim JWT: 401                              |
        | a token without groups             | jwt returned by distributed claim endpoint                                  |
        | an expired token                   | verify distributed claim token: oidc: token is expired                      |
        | a token for another cluster        | verify distributed claim token: oidc: expected audience "kubernetes" got    |
        | a token signed with an unknown key | verify distributed claim token: failed to verify signature                  |
        | a document that is not a token     | could not expand distributed claims: getting untrusted issuer from endpoint |
        | a source that it does not name     | source does not exist                                                       |

  Rule: An issuer in a configuration file may sign with RSA and elliptic curves of every size

    @O10 @G36
    Scenario Outline: A token that is signed with <algorithm> is accepted
      Given Alice holds a token of the issuer "<issuer>" that is signed with <algorithm>
      When she asks the API server who she is
      Then she is accepted as "<user>"

      Examples:
        | issuer | algorithm | user        |
        | rs256  | RS256     | rs256:alice |
        | rs256  | RS384     | rs256:alice |
        | rs256  | RS512     | rs256:alice |
        | rs256  | PS256     | rs256:alice |
        | rs256  | PS384     | rs256:alice |
        | rs256  | PS512     | rs256:alice |
        | es256  | ES256     | alice       |
        | es256  | ES384     | alice       |
        | es256  | ES512     | alice       |
