@structured-configuration
Feature: An API server starts only with a configuration that is complete and consistent

  Rule: An API server refuses to start with flags that contradict each other or prove nothing

    Scenario Outline: An API server refuses to start with <mistake>
      When Dana starts an API server with <mistake>
      Then the API server refuses to start, because "<reason>"
      But Alice, with a token of the issuer "es256", is accepted as "alice"

      @G1
      Examples: Issuers in two places
        | mistake                                | reason                                                             |
        | OIDC flags beside a configuration file | authentication-config file and oidc-* flags are mutually exclusive |

      @G2
      Examples: Half of what is needed
        | mistake                      | reason                                                        |
        | an OIDC issuer and no client | oidc-issuer-url and oidc-client-id must be specified together |

      @O11
      Examples: A shared secret
        | mistake               | reason                         |
        | a symmetric algorithm | oidc: unsupported signing alg: |

      @A4 @requires:anonymous_conditions
      Examples: Anonymous requests in two places
        | mistake                                      | reason                                                                                                      |
        | anonymous requests in a flag and in the file | --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file |

  Rule: An API server starts although it cannot reach an issuer

    @R6
    Scenario: A token is accepted once the API server has found the issuer, which failed at its start
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "late"
      When she asks the API server who she is
      Then the API server's log about its start says "oidc authenticator: initializing plugin: 503 Service Unavailable: the issuer is starting"
      And she, who asks the API server who she is, is soon accepted as "late:alice"

    @R6 @G33 @O24
    @requires:server_log
    Scenario: A token of an issuer that does not exist is refused
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "es256" that names an issuer that does not exist
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: authenticator not initialized"
      But Alice, with a valid token, is still accepted
