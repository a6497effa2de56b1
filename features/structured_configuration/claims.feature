@structured-configuration @oidc
Feature: Expressions and rules over claims decide who a token's holder is

  Background:
    Given an API server with many differently configured issuers

  Rule: Expressions over claims can set the user name, groups, UID and extra

    @G20 @G24
    Scenario: Alice has the groups and extra that expressions take from her token
      Given Alice holds a token of the issuer "expressions" with the claims
        | roles         | engineer,on-call               |
        | team          | platform                       |
        | profile       | {"clearance": ["low", "high"]} |
        | kubernetes.io | {"namespace": "platform"}      |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "role:engineer", "role:on-call" and "system:authenticated"
      And she has the extra "example.org/team" with "platform"
      And she has the extra "example.org/clearance" with "low" and "high"
      And she has the extra "example.org/namespace" with "platform"

    @G20
    Scenario: Alice has the UID that an expression takes from her token
      Given Alice holds a token of the issuer "expressions" with the claim
        | sub | "4711" |
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @G24
    Scenario: Alice has no groups and no extra if her token lacks the claims
      Given Alice holds a token of the issuer "expressions"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the group "system:authenticated"
      And she has no extra "example.org/clearance"

    @G24
    @requires:escaped_claim_names
    Scenario: An expression can read a claim whose name has to be escaped
      Given Alice holds a token of the issuer "escaped-claim" with the claim
        | kubernetes.io | {"namespace": "platform"} |
      When she asks the API server who she is
      Then she is accepted as "platform:alice"

  Rule: A token is refused if an expression has no result, or a rule does not hold

    @requires:server_log
    Scenario Outline: A token with <claim> = <value> is refused
      Given Alice holds a token of the issuer "expressions" with the claim
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, with a valid token, is still accepted

      @O21
      Examples: An empty user name
        | claim    | value | reason                                           |
        | username | ""    | empty username via CEL expression is not allowed |

      @G20
      Examples: A number
        | claim    | value | reason                                         |
        | username | 4711  | username claim expression must return a string |

      @G23
      Examples: Missing
        | claim    | value | reason                                                                |
        | username |       | expression 'claims.username' resulted in error: no such key: username |

      @G21
      Examples: A rule about claims
        | claim | value | reason                                                                         |
        | iat   | 1     | 'claims.exp - claims.iat <= 86400' failed: the token lives for more than a day |

      @G22
      Examples: A rule about users
        | claim    | value           | reason                                                                          |
        | username | system:admin    | '!user.username.startsWith('system:')' failed: names of the system are reserved |
        | roles    | engineer,intern | failed: interns stay outside                                                    |

      @G25 @requires:jwt_credential_id
      Examples: A stolen token
        | claim | value  | reason                            |
        | jti   | stolen | failed: the credential is revoked |

  Rule: A rule fails if the claim that it reads is wrong or missing

    @G21
    @requires:server_log
    Scenario: A token for people of another domain is refused
      Given Alice holds a token of the issuer "claim-rule" with the claim
        | hd | example.org |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "validation expression 'claims.hd == 'example.com'' failed: only for people of example.com"
      But Alice, with a valid token, is still accepted

    @G23
    @requires:server_log
    Scenario: A token without the claim that a rule reads is refused
      Given Alice holds a token of the issuer "claim-rule" with the claim
        | hd |  |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "expression 'claims.hd == 'example.com'' resulted in error: no such key: hd"
      But Alice, with a valid token, is still accepted

  Rule: A configuration can require a claim without an expression

    @O20
    @requires:server_log
    Scenario Outline: A token is refused when the required claim is "<value>"
      Given Alice holds a token of the issuer "required-claim" with the claim
        | hd | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, with a valid token, is still accepted

      Examples:
        | value       | reason                                                                        |
        | example.org | required claim hd value does not match. Got = example.org, want = example.com |
        | 4711        | parse claim hd: json: cannot unmarshal number into Go value of type string    |
        |             | required claim hd not present in ID token                                     |

  Rule: The discovery document of an issuer may have another URL

    @G8
    Scenario: A token of an issuer with a discovery URL is accepted
      Given Alice holds a token of the issuer "discovery-url"
      When she asks the API server who she is
      Then she is accepted as "discovery-url:alice"

    @G8
    Scenario: A token of an issuer with a path and a discovery URL is accepted
      Given Alice holds a token of the issuer "discovery-url-with-path"
      When she asks the API server who she is
      Then she is accepted as "discovery-url-with-path:alice"

  Rule: An issuer may be reachable only through an egress proxy

    @G26
    @requires:issuer_egress
    Scenario: A token of an issuer behind an egress proxy is accepted
      Given Alice holds a token of the issuer "behind-egress"
      When she asks the API server who she is
      Then she is accepted as "behind-egress:alice"
