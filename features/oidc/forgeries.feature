@oidc
Feature: A forged token proves nothing, however it is forged

  Who forges a token lets it say how it is to be verified. The API server takes keys and algorithms from the issuer that it was
  told of, and from nowhere else.

  Rule: The signature must be one of the issuer's keys

    @O25
    @requires:server_log
    Scenario Outline: Mallory's token of the issuer "<issuer>" <forgery>
      Given Mallory holds a token of the issuer "<issuer>" that <forgery>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      And the answer gives nothing away
      And nobody followed where the token points
      But Alice, whose token is sound, is still accepted

      Examples: No signature, or one that everybody can make
        | issuer | forgery                                     | reason                                                                          |
        | rs256  | is not signed                               | oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"] got "none" |
        | es256  | is not signed                               | oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"] got "none" |
        | rs256  | was signed with the public key for a secret | oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"] got "HS256" |
        | es256  | was signed with the public key for a secret | oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"] got "HS256" |

      Examples: A key of somebody else's choice
        | issuer | forgery                                | reason                                          |
        | rs256  | points at a stranger's keys            | oidc: verify token: failed to verify signature  |
        | es256  | points at a stranger's keys            | oidc: verify token: failed to verify signature  |
        | rs256  | brings a stranger's key along          | oidc: verify token: failed to verify signature  |
        | es256  | brings a stranger's key along          | oidc: verify token: failed to verify signature  |
        | rs256  | points at a stranger's certificate     | oidc: verify token: failed to verify signature  |
        | es256  | points at a stranger's certificate     | oidc: verify token: failed to verify signature  |
        | rs256  | brings a stranger's certificate along  | oidc: verify token: failed to verify signature  |
        | es256  | brings a stranger's certificate along  | oidc: verify token: failed to verify signature  |

      Examples: A key that is not there
        | issuer | forgery                                             | reason                                          |
        | es256  | was signed with a key that the issuer does not have | oidc: verify token: failed to verify signature  |
        | es256  | names its key by a path                             | oidc: verify token: failed to verify signature  |
        | es256  | names its key by an address                         | oidc: verify token: failed to verify signature  |
        | es256  | names its key by a query                            | oidc: verify token: failed to verify signature  |
        | es256  | names its key by a very long text                   | oidc: verify token: failed to verify signature  |

      Examples: Something else than what was signed
        | issuer | forgery                            | reason                                          |
        | rs256  | was changed after it was signed    | oidc: verify token: failed to verify signature  |
        | es256  | was changed after it was signed    | oidc: verify token: failed to verify signature  |
        | rs256  | has one bit of its signature flipped | oidc: verify token: failed to verify signature  |
        | es256  | has one bit of its signature flipped | oidc: verify token: failed to verify signature  |
        | es256  | demands what nobody understands    | oidc: verify token: failed to verify signature  |

  Rule: Several signatures make no token

    @O25
    @requires:server_log
    Scenario Outline: Mallory's token of the issuer "<issuer>" <forgery>, and is no token
      Given Mallory holds a token of the issuer "<issuer>" that <forgery>
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      And the answer gives nothing away
      But Alice, whose token is sound, is still accepted

      Examples:
        | issuer | forgery                                  |
        | rs256  | has a second signature behind the first  |
        | es256  | has a second signature behind the first  |
        | rs256  | has a second signature beside the first  |
        | es256  | has a second signature beside the first  |

  Rule: What nobody looks at does no harm

    @O25
    Scenario Outline: Alice's sound token <peculiarity>
      Given Alice holds a token of the issuer "es256" that <peculiarity>
      When she asks the API server who she is
      Then she is accepted as "alice"

      Examples:
        | peculiarity                      |
        | names no key                     |
        | names its key by nothing at all  |
        | was issued an hour from now      |

  Rule: An algorithm must be one that the API server was told of

    @O9
    @requires:server_log
    Scenario: Mallory signs a token in Keycloak's name with another algorithm
      Given an API server with the OIDC flags
      And Mallory has signed a token in Keycloak's name with PS256
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "PS256"'
      But Alice, whose login is sound, is still accepted

  Rule: An issuer whose keys cannot be had vouches for nobody

    @O26
    @requires:server_log
    Scenario: Alice's issuer does not tell its keys
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "keyless"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 503 Service Unavailable"
      But Alice, whose token is of another issuer, is accepted as "alice"
