@structured-configuration @oidc
Feature: Expressions and rules decide who a token's holder is

  Rule: Name, groups, UID and extra are what expressions make of the claims

    @G20 @G24
    Scenario: Alice's token says much
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "mapped" that says
        | roles         | engineer,on-call             |
        | team          | platform                     |
        | profile       | {"clearance": ["low", "high"]} |
        | kubernetes.io | {"namespace": "platform"}    |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "role:engineer", "role:on-call" and "system:authenticated"
      And she has the extra "example.org/team" with "platform"
      And she has the extra "example.org/clearance" with "low" and "high"
      And she has the extra "example.org/namespace" with "platform"

    @G20
    Scenario: Alice's token says who she is by a number, too
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "mapped" that says
        | sub | "4711" |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @G24
    Scenario: Alice's token says little
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "mapped"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the group "system:authenticated"
      And she has no extra "example.org/clearance"

    @G24
    @requires:escaped_claim_names
    Scenario: Alice's token has a claim whose name is no word
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "escaped" that says
        | kubernetes.io | {"namespace": "platform"} |
      When she asks the API server who she is
      Then she is accepted as "platform:alice"

  Rule: What an expression cannot make anything of is refused

    @requires:server_log
    Scenario Outline: Alice's token says <claim> = <value>
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "mapped" that says
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose token is sound, is still accepted

      @O21
      Examples: Nobody
        | claim    | value | reason                                                         |
        | username | ""    | oidc: empty username via CEL expression is not allowed         |

      @G20
      Examples: Not a text
        | claim    | value | reason                                                                                            |
        | username | 4711  | oidc: error evaluating username claim expression: username claim expression must return a string  |

      @G23
      Examples: Missing
        | claim    | value | reason                                                                                                |
        | username |       | oidc: error evaluating username claim expression: expression 'claims.username' resulted in error: no such key: username |

      @G21
      Examples: A rule about claims
        | claim | value | reason                                                                                                                                            |
        | iat   | 1     | oidc: error evaluating claim validation expression: validation expression 'claims.exp - claims.iat <= 86400' failed: the token lives for more than a day |

      @G22
      Examples: A rule about users
        | claim    | value            | reason                                                                                                                                              |
        | username | system:admin     | oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('system:')' failed: names of the system are reserved |
        | roles    | engineer,intern  | failed: interns stay outside                                                                                                                        |

      @G25 @requires:jwt_credential_id
      Examples: A token that was stolen
        | claim | value  | reason                                                                                                        |
        | jti   | stolen | failed: the credential is revoked                                                                             |

  Rule: A rule may take a claim for granted

    @requires:server_log
    Scenario Outline: Alice's token says that her domain is "<value>"
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "strict" that says
        | hd | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose token is sound, is still accepted

      @G21
      Examples: Wrong
        | value       | reason                                                                                                                                                          |
        | example.org | oidc: error evaluating claim validation expression: validation expression 'claims.hd == 'example.com'' failed: only for people of example.com                   |

      @G23
      Examples: Missing
        | value | reason                                                                                                                                             |
        |       | oidc: error evaluating claim validation expression: expression 'claims.hd == 'example.com'' resulted in error: no such key: hd                     |

  Rule: A claim may be required without an expression

    @O20
    @requires:server_log
    Scenario Outline: Alice's token says that her domain is "<value>", and another is required
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "required" that says
        | hd | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose token is sound, is still accepted

      Examples:
        | value       | reason                                                                                        |
        | example.org | oidc: required claim hd value does not match. Got = example.org, want = example.com           |
        | 4711        | oidc: parse claim hd: json: cannot unmarshal number into Go value of type string              |
        |             | oidc: required claim hd not present in ID token                                               |

  Rule: An issuer may be found elsewhere than where it says it is

    @G8
    Scenario Outline: Alice's issuer is "<issuer>", found elsewhere
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "<issuer>"
      When she asks the API server who she is
      Then she is accepted as "<issuer>:alice"

      Examples:
        | issuer          |
        | discovered      |
        | discovered-deep |

  Rule: An issuer may be reached on a way that only the configuration names

    @G26
    @requires:issuer_egress
    Scenario: Alice's issuer is hidden from all but the egress
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "hidden"
      When she asks the API server who she is
      Then she is accepted as "hidden:alice"
