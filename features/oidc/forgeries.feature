@oidc
Feature: A forged token is refused, however it was forged

  A forger chooses what the token says about its verification. The API server takes keys and algorithms from the issuer in its
  configuration, and from nowhere else.

  Rule: A token must be signed with an asymmetric algorithm

    @O25
    @requires:server_log
    Scenario Outline: A token of the issuer "<issuer>" that <forgery> is refused
      Given Mallory holds a token of the issuer "<issuer>" that <forgery>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'unexpected signature algorithm "<algorithm>"; expected ["ES256" "ES384" "ES512" "ML-DSA-44" "ML-DSA-65" "ML-DSA-87" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"]'
      And the response does not reveal the reason
      And the API server requested no stranger's keys
      But Alice, with a valid token, is still accepted

      Examples:
        | issuer | forgery                                       | algorithm |
        | rs256  | is not signed                                 | none      |
        | es256  | is not signed                                 | none      |
        | rs256  | has the issuer's public key as an HMAC secret | HS256     |
        | es256  | has the issuer's public key as an HMAC secret | HS256     |

  Rule: A token must be signed with one of the issuer's own keys

    @O25
    @requires:server_log
    Scenario Outline: A token of the issuer "<issuer>" that <forgery> is refused
      Given Mallory holds a token of the issuer "<issuer>" that <forgery>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And the response does not reveal the reason
      And the API server requested no stranger's keys
      But Alice, with a valid token, is still accepted

      Examples: A key that the forger chose
        | issuer | forgery                            |
        | rs256  | points at a stranger's keys        |
        | es256  | points at a stranger's keys        |
        | rs256  | contains a stranger's key          |
        | es256  | contains a stranger's key          |
        | rs256  | points at a stranger's certificate |
        | es256  | points at a stranger's certificate |
        | rs256  | contains a stranger's certificate  |
        | es256  | contains a stranger's certificate  |

      Examples: A key that does not exist
        | issuer | forgery                                             |
        | es256  | was signed with a key that the issuer does not have |
        | es256  | has a path for a key id                             |
        | es256  | has an address for a key id                         |
        | es256  | has a database query for a key id                   |
        | es256  | has a very long key id                              |

      Examples: A signature over something else
        | issuer | forgery                            |
        | rs256  | was changed after it was signed    |
        | es256  | was changed after it was signed    |
        | rs256  | has a flipped bit in its signature |
        | es256  | has a flipped bit in its signature |
        | es256  | has an unknown critical header     |

  Rule: A token has exactly one signature

    @O25
    @requires:server_log
    Scenario Outline: A token of the issuer "<issuer>" that <forgery> is refused
      Given Mallory holds a token of the issuer "<issuer>" that <forgery>
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      And the response does not reveal the reason
      But Alice, with a valid token, is still accepted

      Examples:
        | issuer | forgery                         |
        | rs256  | has a second signature appended |
        | es256  | has a second signature appended |
        | rs256  | has two signatures in JSON form |
        | es256  | has two signatures in JSON form |

  Rule: A missing key id and a later time of issue do no harm

    @O25
    Scenario Outline: A token is accepted although it <peculiarity>
      Given Alice holds a token of the issuer "es256" that <peculiarity>
      When she asks the API server who she is
      Then she is accepted as "alice"

      Examples:
        | peculiarity                 |
        | has no key id               |
        | has an empty key id         |
        | was issued an hour from now |

  Rule: A token must be signed with an algorithm that is configured

    @O9
    @requires:server_log
    Scenario: A token that is signed with another algorithm is refused
      Given an API server with the OIDC flags
      And Mallory has forged a token of the identity provider, signed with PS256
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'unexpected signature algorithm "PS256"; expected ["RS256"]'
      But Alice, with a valid login, is still accepted

  Rule: A token is refused if the keys of its issuer are unreachable

    @O26
    @requires:server_log
    Scenario: A token of an issuer with unreachable keys is refused
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "unreachable-keys"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "fetching keys oidc: get keys failed: 503 Service Unavailable"
      But Alice, with a token of the issuer "es256", is accepted as "alice"
