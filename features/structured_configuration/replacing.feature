@structured-configuration
Feature: A configuration is replaced while the API server runs

  The API server watches the file. What is not sound changes nothing; what is sound takes the place of the old.

  Rule: A new configuration that is not sound is refused, and the old one stays

    Scenario Outline: Dana's new configuration <mistake>
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "es256"
      When Dana replaces the configuration by one that <mistake>
      Then the new configuration is refused when it is validated, because '<reason>'
      But Alice, who asks the same, is accepted as "alice"

      @G4
      Examples: Issuers twice
        | mistake                            | reason                                                                            |
        | names an issuer twice              | jwt[1].issuer.url: Duplicate value: "                                             |
        | looks for two issuers in one place | jwt[1].issuer.discoveryURL: Duplicate value: "https://issuer.example/keys"        |

      @G5
      Examples: No TLS
        | mistake                   | reason                                                                                   |
        | has an issuer without TLS | jwt[0].issuer.url: Invalid value: "http://issuer.example": URL scheme must be https      |

      @G6
      Examples: Addresses that say too much
        | mistake                                 | reason                                                                                                   |
        | has a name and a password in an address | URL must not contain a username or password                                                              |
        | has a query in an address               | jwt[0].issuer.url: Invalid value: "https://issuer.example?realm=one": URL must not contain a query       |
        | has a fragment in an address            | jwt[0].issuer.url: Invalid value: "https://issuer.example#one": URL must not contain a fragment          |
        | has a word for a port                   | invalid port ":port" after host                                                                          |

      @G7
      Examples: Discovery where it is anyway
        | mistake                                | reason                                    |
        | looks for an issuer where it is anyway | discoveryURL must be different from URL   |

      @G9
      Examples: The issuer of service accounts
        | mistake                               | reason                                                                                 |
        | trusts the issuer of service accounts | URL must not overlap with disallowed issuers: [https://kubernetes.default.svc]         |

      @G10
      Examples: Audiences
        | mistake                  | reason                                                                                          |
        | is for nobody            | jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required       |
        | names an audience twice  | jwt[0].issuer.audiences[1]: Duplicate value: "kubernetes"                                       |
        | names an empty audience  | jwt[0].issuer.audiences[0]: Required value                                                      |

      @G11
      Examples: Several audiences
        | mistake                                            | reason                                                          |
        | names two audiences and not how many must match    | audienceMatchPolicy must be MatchAny for multiple audiences     |

      @G12
      Examples: Authorities
        | mistake                       | reason                                                                                                                           |
        | has an authority that is none | jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>": data does not contain any valid RSA or ECDSA certificates        |

      @G13
      Examples: Two sources of one name
        | mistake                                     | reason                                                                                       |
        | takes a name from a claim and an expression | jwt[0].claimMappings.username: Invalid value: "": claim and expression can                   |
        | has a rule about a claim and an expression  | jwt[0].claimValidationRules[0]: Invalid value: "hd": claim and expression can                |

      @G14
      Examples: No prefix
        | mistake                                    | reason                                                                                                                                                       |
        | takes a name from a claim and says no prefix | jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing          |

      @G15
      Examples: A prefix too many
        | mistake                                          | reason                                                   |
        | takes a name from an expression and says a prefix | jwt[0].claimMappings.username.prefix: Invalid value: "alice:" |

      @G16
      Examples: Expressions that mean nothing
        | mistake                                          | reason                                                                                              |
        | has an expression over a name that does not exist | compilation failed: ERROR: <input>:1:1: undeclared reference to                                     |

      @G17
      Examples: Rules that decide nothing
        | mistake                               | reason               |
        | has a rule that is neither true nor false | must evaluate to bool |

      @G18
      Examples: Addresses that need not be theirs
        | mistake                                                  | reason                                                                     |
        | names people by an e-mail address that need not be theirs | claims.email_verified must be used in claimMappings.username.expression    |

      @G19
      Examples: Extra keys
        | mistake                             | reason                                                            |
        | has an extra key without a domain   | must be a domain-prefixed path (such as "acme.io/foo")            |
        | has an extra key in capitals        | must be lowercase                                                 |
        | has an extra key twice              | jwt[0].claimMappings.extra[1].key: Duplicate value: "example.org/team" |

      @G19 @requires:reserved_extra_keys
      Examples: Extra keys of Kubernetes
        | mistake                        | reason                                                                                     |
        | has an extra key of Kubernetes | k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use                 |

      @G31 @requires:anonymous_conditions
      Examples: Anonymous people
        | mistake                               | reason                                                            |
        | lets anonymous people in everywhere   | anonymous: Forbidden: changed from initial configuration file     |

      @A3 @requires:anonymous_conditions
      Examples: Anonymous people who are not let in
        | mistake                                  | reason                                                              |
        | lets nobody anonymous in, and says where | enabled should be set to true when conditions are defined           |

      @G26 @requires:issuer_egress
      Examples: Ways to an issuer
        | mistake                                  | reason                                                  |
        | sends requests on a way of its own making | egress selector must be either controlplane or cluster |

  Rule: A refusal is counted, whatever could not be done

    @G28 @G32
    Scenario Outline: Dana's new configuration is counted, since it <mistake>
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "es256"
      And it is noted what the API server has counted so far
      When Dana replaces the configuration by one that <mistake>
      Then the new configuration is refused when it is <stage>, because '<reason>'
      And one more reload is counted as a failure, and one more only
      But Alice, who asks the same, is accepted as "alice"

      Examples:
        | mistake                        | stage     | reason                                                            |
        | has a typing error in a field  | read      | unknown field "jwt[0].issuer.adress"                              |
        | is about something else        | read      | no kind "AuthorizationOfEverybody" is registered for version      |
        | has an issuer without TLS      | validated | URL scheme must be https                                          |

  Rule: A sound configuration takes the place of the old one

    @G30
    Scenario: Dana's new configuration trusts nobody
      Given an API server with issuers that change
      And the API server trusts one issuer
      And Alice holds a token of the issuer "es256"
      When Dana replaces the configuration by one that trusts no issuer
      Then the new configuration is in force
      And Alice, who asks the same, is refused as unauthenticated, because "invalid bearer token"
      But Alice, with a client certificate, is accepted

    @G27
    Scenario: The API server tells which configuration it has
      Given an API server with issuers that change
      And the API server trusts no issuer
      When Dana replaces the configuration by one that trusts no issuer
      Then the new configuration is in force
      And the API server tells which configuration is in force

    # Takes ten seconds: a new issuer is looked at a second time before it is found to be there.
    @G27 @G32
    Scenario: Dana's new configuration trusts an issuer
      Given an API server with issuers that change
      And the API server trusts no issuer
      And Alice holds a token of the issuer "es256"
      And it is noted what the API server has counted so far
      When Dana replaces the configuration by one that trusts one issuer
      Then the new configuration is in force
      And one more reload is counted as a success, and one more only
      And Alice, who asks the same, is accepted as "alice"

    # Takes a minute and a half: so long the API server keeps what it counted.
    @G37 @ignore
    Scenario: Dana's new configuration trusts another issuer in place of one
      Given an API server with issuers that change
      And the API server trusts one issuer
      When Dana replaces the configuration by one that trusts another issuer
      Then the new configuration is in force
      And the API server soon tells nothing more of the keys of the issuer "es256"

    # Takes a minute: so long the API server looks for an issuer.
    @G29 @ignore
    Scenario: Dana's new configuration trusts an issuer that is not there
      Given an API server with issuers that change
      And the API server trusts one issuer
      And Alice holds a token of the issuer "es256"
      And it is noted what the API server has counted so far
      When Dana waits until the API server gives up a configuration that trusts an issuer that is not there
      Then the new configuration is refused when it is put into force, because "is not healthy: 404 Not Found"
      And one more reload is counted as a failure, and one more only
      But Alice, who asks the same, is accepted as "alice"
