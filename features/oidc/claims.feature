@oidc
Feature: What a token says besides who its holder is

  Rule: An address counts unless it is known not to be verified

    Scenario Outline: Alice is known by her address, and the token says that "<verified>" of whether it was verified
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "email" that says
        | email_verified | <verified> |
      When she asks the API server who she is
      Then she is accepted as "email:alice@example.com"

      @O14
      Examples: Nothing
        | verified |
        |          |

      @O13
      Examples: Verified
        | verified |
        | true     |

    @requires:server_log
    Scenario Outline: Alice's address is said to be verified: <verified>
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "email" that says
        | email_verified | <verified> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose token is sound, is still accepted

      @O13
      Examples: Not verified
        | verified | reason                   |
        | false    | oidc: email not verified |

      @O15
      Examples: A text
        | verified | reason                                                                                               |
        | "true"   | oidc: parse 'email_verified' claim: json: cannot unmarshal string into Go value of type bool         |

  Rule: A name that is empty is a name, where it comes from a claim alone

    @O21
    Scenario: Alice's token says that she is nobody
      Given Alice holds a token of the issuer "es256" that says
        | username | "" |
      When she asks to list configmaps
      Then she is refused as forbidden, because 'User "" cannot list resource "configmaps"'

  Rule: The token's id is the credential's

    @O22
    @requires:jwt_credential_id
    Scenario: Alice's token has an id
      Given Alice holds a token of the issuer "es256" that says
        | jti | alices-token |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the extra "authentication.kubernetes.io/credential-id" with "JTI=alices-token"

    @O22
    Scenario: Alice's token has a number for an id
      Given Alice holds a token of the issuer "es256" that says
        | jti | 4711 |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no extra "authentication.kubernetes.io/credential-id"

  Rule: Groups may be told elsewhere

    @O23
    Scenario: Alice's token says where her groups are told
      Given an API server with issuers of every kind
      And Alice holds a token whose groups are told elsewhere: "platform-team"
      When she asks the API server who she is
      Then she is accepted as "distributed:alice"
      And she is in exactly the groups "distributed:platform-team" and "system:authenticated"

    @O23
    @requires:server_log
    Scenario Outline: Alice's groups are told <elsewhere>
      Given an API server with issuers of every kind
      And Alice holds a token whose groups are told <elsewhere>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, whose token is sound, is still accepted

      Examples:
        | elsewhere                             | reason                                                                                                                              |
        | where nobody says anything            | oidc: could not expand distributed claims: while getting distributed claim "groups": error while getting distributed claim JWT: 404 |
        | by a token that says no groups        | oidc: could not expand distributed claims: jwt returned by distributed claim endpoint                                              |
        | by a token that has expired           | oidc: could not expand distributed claims: verify distributed claim token: oidc: token is expired                                   |
        | by a token for another cluster        | oidc: could not expand distributed claims: verify distributed claim token: oidc: expected audience "kubernetes" got                 |
        | by a token that somebody else signed  | oidc: could not expand distributed claims: verify distributed claim token: failed to verify signature                               |
        | by no token at all                    | oidc: could not expand distributed claims: getting untrusted issuer from endpoint                                                  |
        | by a source that it does not name     | source does not exist                                                                                                               |

  Rule: Every algorithm with a public key will do, where it is a configuration that names the issuer

    @O10 @G36
    Scenario Outline: Alice's token is signed with <algorithm>
      Given Alice holds a token of the issuer "<issuer>", signed with <algorithm>
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
