@oidc
Feature: A token that is not valid for the API server is refused

  Rule: A token of the identity provider must be fresh, for this cluster, and name its user

    Scenario Outline: A token of the identity provider that <flaw> is refused by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider, and her token <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, with a valid login, is still accepted

      @O3
      Examples: Expired
        | configuration          | flaw        | reason                                                    |
        | the OIDC flags         | has expired | oidc: verify token: oidc: token is expired (Token Expiry: |
        | the configuration file | has expired | oidc: verify token: oidc: token is expired (Token Expiry: |

      @O5
      Examples: For another audience
        | configuration          | flaw                   | reason                                                          |
        | the OIDC flags         | is for another cluster | oidc: verify token: oidc: expected audience "kubernetes" got [" |
        | the configuration file | is for another cluster | oidc: verify token: oidc: expected audience "kubernetes" got [" |

      @O12
      Examples: Without a user name
        | configuration          | flaw          | reason                                                              |
        | the OIDC flags         | names no user | oidc: parse username claims "preferred_username": claim not present |
        | the configuration file | names no user | oidc: parse username claims "preferred_username": claim not present |

  Rule: A token of the identity provider must be signed by the identity provider

    @O8
    Scenario Outline: A forged token of the identity provider is refused by an API server with <configuration>
      Given an API server with <configuration>
      And Mallory has forged a token of the identity provider, signed with RS256
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'oidc: verify token: failed to verify signature'
      But Alice, with a valid login, is still accepted

      Examples:
        | configuration          |
        | the OIDC flags         |
        | the configuration file |

  Rule: The issuer of a token must equal a configured issuer exactly

    @O2 @O28
    Scenario Outline: A token of another issuer of the provider is refused by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at another issuer of the identity provider
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'invalid bearer token'
      But Alice, with a valid login, is still accepted

      Examples:
        | configuration          |
        | the OIDC flags         |
        | the configuration file |

    @O2
    Scenario: An API server with the OIDC flags refuses a token of a second issuer
      Given an API server with the OIDC flags
      And Alice holds a token of the issuer "rs256"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'invalid bearer token'
      But Alice is accepted as "rs256:alice" by an API server with the configuration file

    @O2
    Scenario: An API server refuses a token of an issuer that only another one trusts
      Given an API server with the configuration file
      And Alice holds a token of the issuer "email"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'invalid bearer token'
      But Alice is accepted as "email:alice@example.com" by an API server with many differently configured issuers

    @O2 @O28
    Scenario: A token is refused if its issuer has a trailing slash
      Given Alice holds a token of the issuer "rs256" that has a slash at the end of its issuer
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'invalid bearer token'
      But Alice, with a valid token, is still accepted

  Rule: The log says why a token of an issuer is refused

    Scenario Outline: A token of the issuer "<issuer>" that <flaw> is refused
      Given Mallory holds a token of the issuer "<issuer>" that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because '<reason>'
      But Alice, with a valid token, is still accepted

      @O3
      Examples: Expired
        | issuer | flaw                | reason                                                     |
        | rs256  | expired an hour ago | oidc: verify token: oidc: token is expired (Token Expiry: |
        | es256  | expired an hour ago | oidc: verify token: oidc: token is expired (Token Expiry: |

      @O4
      Examples: Too early
        | issuer | flaw                                 | reason                              |
        | es256  | is not valid before an hour from now | before the nbf (not before) time: |

      @O5
      Examples: Another audience, one configured
        | issuer | flaw                   | reason                                                                            |
        | es256  | is for another cluster | oidc: verify token: oidc: expected audience "kubernetes" got ["another-cluster"] |

      @O6
      Examples: Another audience, several configured
        | issuer | flaw                   | reason                                                                                                  |
        | rs256  | is for another cluster | oidc: verify token: oidc: expected audience in ["kubernetes" "kubernetes-too"] got ["another-cluster"] |

      @O8
      Examples: Another key
        | issuer | flaw                                                | reason                                              |
        | rs256  | was signed with a key that the issuer does not have | oidc: verify token: failed to verify signature     |
        | es256  | was signed under the name of one of its keys        | oidc: verify token: failed to verify signature     |
        | rs256  | was changed after it was signed                     | oidc: verify token: failed to verify signature     |

      @O12
      Examples: Without a user name
        | issuer | flaw               | reason                                                     |
        | es256  | names no user      | oidc: parse username claims "username": claim not present |

      @O17
      Examples: Invalid groups
        | issuer | flaw                     | reason                            |
        | es256  | has a number for a group | oidc: parse groups claim "groups" |
