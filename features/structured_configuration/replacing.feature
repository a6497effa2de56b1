@structured-configuration
Feature: A configuration is replaced while the API server runs

  The API server watches the file. A valid configuration replaces the old one; an invalid one changes nothing.

  Rule: An invalid configuration is refused, and the old one stays in effect

    Scenario Outline: Dana's new configuration is refused when it <mistake>
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "es256"
      When Dana replaces the configuration by one that <mistake>
      Then the new configuration is refused when it is validated, because '<reason>'
      But Alice, who asks the API server who she is, is accepted as "alice"

      @G4
      Examples: Issuers twice
        | mistake                             | reason                                      |
        | names an issuer twice               | jwt[1].issuer.url: Duplicate value          |
        | gives two issuers one discovery URL | jwt[1].issuer.discoveryURL: Duplicate value |

      @G5
      Examples: No TLS
        | mistake                   | reason                                            |
        | has an issuer without TLS | "http://issuer.example": URL scheme must be https |

      @G6
      Examples: URLs that say too much
        | mistake                                           | reason                                      |
        | has a user name and a password in an issuer's URL | URL must not contain a username or password |
        | has a query in an issuer's URL                    | URL must not contain a query                |
        | has a fragment in an issuer's URL                 | URL must not contain a fragment             |
        | has a word for a port in an issuer's URL          | invalid port ":port" after host             |

      @G7
      Examples: A needless discovery URL
        | mistake                                      | reason                                  |
        | has a discovery URL that is the issuer's own | discoveryURL must be different from URL |

      @G9
      Examples: The issuer of service accounts
        | mistake                               | reason                                                                         |
        | trusts the issuer of service accounts | URL must not overlap with disallowed issuers: [https://kubernetes.default.svc] |

      @G10
      Examples: Audiences
        | mistake                 | reason                                                    |
        | names no audience       | at least one jwt[0].issuer.audiences is required          |
        | names an audience twice | jwt[0].issuer.audiences[1]: Duplicate value: "kubernetes" |
        | names an empty audience | jwt[0].issuer.audiences[0]: Required value                |

      @G11
      Examples: Several audiences
        | mistake                                 | reason                                                      |
        | names two audiences and no match policy | audienceMatchPolicy must be MatchAny for multiple audiences |

      @G12
      Examples: Authorities
        | mistake                       | reason                                                    |
        | has an invalid CA certificate | data does not contain any valid RSA or ECDSA certificates |

      @G13
      Examples: Two sources of one value
        | mistake                                            | reason                                                                        |
        | takes the user name from a claim and an expression | jwt[0].claimMappings.username: Invalid value: "": claim and expression can    |
        | has a rule with a claim and an expression          | jwt[0].claimValidationRules[0]: Invalid value: "hd": claim and expression can |

      @G14
      Examples: No prefix
        | mistake                                           | reason                                                                |
        | takes the user name from a claim without a prefix | username.prefix: Required value: prefix is required when claim is set |

      @G15
      Examples: A needless prefix
        | mistake                                              | reason                                                        |
        | takes the user name from an expression with a prefix | jwt[0].claimMappings.username.prefix: Invalid value: "alice:" |

      @G16
      Examples: Expressions without a meaning
        | mistake                                    | reason                                                          |
        | has an expression with an unknown variable | compilation failed: ERROR: <input>:1:1: undeclared reference to |

      @G17
      Examples: Rules that decide nothing
        | mistake                          | reason                |
        | has a rule that is not a boolean | must evaluate to bool |

      @G18
      Examples: E-mail addresses of others
        | mistake                                               | reason                                                                  |
        | takes the user name from an unverified e-mail address | claims.email_verified must be used in claimMappings.username.expression |

      @G19
      Examples: Extra keys
        | mistake                           | reason                                                 |
        | has an extra key without a domain | must be a domain-prefixed path (such as "acme.io/foo") |
        | has an extra key in capitals      | must be lowercase                                      |
        | has an extra key twice            | jwt[0].claimMappings.extra[1].key: Duplicate value     |

      @G19 @requires:reserved_extra_keys
      Examples: Extra keys of Kubernetes
        | mistake                                    | reason                                                                     |
        | has an extra key in a domain of Kubernetes | k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use |

      @G31 @requires:anonymous_conditions
      Examples: Anonymous requests
        | mistake                              | reason                                                        |
        | allows anonymous requests everywhere | anonymous: Forbidden: changed from initial configuration file |

      @A3 @requires:anonymous_conditions
      Examples: Anonymous requests that are forbidden
        | mistake                                             | reason                                                    |
        | forbids anonymous requests and lists paths for them | enabled should be set to true when conditions are defined |

      @G26 @requires:issuer_egress
      Examples: Egress
        | mistake                 | reason                                                 |
        | names an unknown egress | egress selector must be either controlplane or cluster |

  Rule: Every refusal of a configuration is counted

    @G28 @G32
    Scenario Outline: Dana's new configuration counts as a failed reload when it <mistake>
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "es256"
      And the current metric values are recorded
      When Dana replaces the configuration by one that <mistake>
      Then the new configuration is refused when it is <stage>, because '<reason>'
      And exactly one more reload is counted as a failure
      But Alice, who asks the API server who she is, is accepted as "alice"

      Examples:
        | mistake                       | stage     | reason                                                       |
        | has a typing error in a field | read      | unknown field "jwt[0].issuer.adress"                         |
        | is an object of another kind  | read      | no kind "AuthorizationOfEverybody" is registered for version |
        | has an issuer without TLS     | validated | URL scheme must be https                                     |

  Rule: A valid configuration replaces the old one

    Background:
      Given an API server with issuers that can be replaced

    @G30
    Scenario: Dana's new configuration no longer trusts Alice's issuer
      Given the API server trusts one issuer
      And Alice holds a token of the issuer "es256"
      When Dana replaces the configuration by one that trusts no issuer
      Then the new configuration is in force
      And Alice, who asks the API server who she is, is refused as unauthenticated, because "invalid bearer token"
      But Alice, with a client certificate, is accepted

    @G27
    Scenario: The API server tells which configuration is in force
      Given the API server trusts no issuer
      When Dana replaces the configuration by one that trusts no issuer
      Then the new configuration is in force
      And the API server tells which configuration is in force

    # Takes ten seconds: the API server finds a new issuer with its second attempt.
    @G27 @G32
    Scenario: Dana's new configuration trusts Alice's issuer
      Given the API server trusts no issuer
      And Alice holds a token of the issuer "es256"
      And the current metric values are recorded
      When Dana replaces the configuration by one that trusts one issuer
      Then the new configuration is in force
      And exactly one more reload is counted as a success
      And Alice, who asks the API server who she is, is accepted as "alice"

    # Takes a minute and a half: the API server keeps its metrics of the old issuer for that long.
    @G37 @nightly
    Scenario: Dana's new configuration trusts another issuer, and the metrics of the old one are removed
      Given the API server trusts one issuer
      When Dana replaces the configuration by one that trusts another issuer
      Then the new configuration is in force
      And the key metrics of the issuer "es256" are soon removed

    # Takes a minute: the API server looks for the issuer for that long.
    @G29 @nightly
    Scenario: Dana's new configuration is refused when its issuer does not exist
      Given the API server trusts one issuer
      And Alice holds a token of the issuer "es256"
      And the current metric values are recorded
      When Dana replaces the configuration by one that trusts an issuer that does not exist
      Then the new configuration is refused when it is put into force, because "is not healthy: 404 Not Found"
      And exactly one more reload is counted as a failure
      But Alice, who asks the API server who she is, is accepted as "alice"
