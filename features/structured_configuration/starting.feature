@structured-configuration
Feature: An API server starts with what it understands, and with nothing else

  Rule: What contradicts itself or proves nothing is refused before anybody can come

    Scenario Outline: Dana starts an API server with <contradiction>
      When Dana starts an API server with <contradiction>
      Then the API server refuses to start, because "<reason>"
      But Alice, who asks an API server that did start, is accepted as "alice"

      @G1
      Examples: Two ways of saying the same
        | contradiction                          | reason                                                               |
        | OIDC flags beside a configuration file | authentication-config file and oidc-* flags are mutually exclusive   |

      @G2
      Examples: Half of what is needed
        | contradiction                 | reason                                                                                       |
        | an OIDC issuer and no client  | oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set  |

      @O11
      Examples: A secret that all would share
        | contradiction         | reason                                  |
        | a symmetric algorithm | oidc: unsupported signing alg:          |

      @A4 @requires:anonymous_conditions
      Examples: Anonymous people twice
        | contradiction                                  | reason                                                                                                         |
        | anonymous requests in a flag and in the file   | --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file    |

  Rule: An issuer need not be there when the API server starts

    @G33 @O24
    @requires:server_log
    Scenario: Alice's issuer was misspelt
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "es256", whose address has a typing error
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: authenticator not initialized"
      But Alice, whose token is sound, is still accepted
