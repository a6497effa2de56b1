@auth-proxy
Feature: The auth proxy passes each caller's identity on to the API server

  There are two ways of passing on who calls: as the API server's front proxy, or by impersonation. People need not know which.

  Rule: The proxy verifies the caller's certificate, and passes on its identity

    @P1 @P2
    Scenario Outline: Alice uses a client certificate through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate with the organizations "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

    Scenario Outline: The UID of Alice's certificate is passed on through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

      @P4 @requires:remote_uid_header
      Examples: As the front proxy
        | endpoint       |
        | the auth proxy |

      Examples: By impersonation
        | endpoint                     |
        | the impersonating auth proxy |

  Rule: The proxy verifies the caller's token of the identity provider, and passes on the identity that the API server itself would read

    @P1 @P2
    Scenario Outline: Alice uses a token of the identity provider through <endpoint>
      Given all requests go through <endpoint>
      And Alice has logged in at the identity provider
      When she asks the API server who she is
      Then she is accepted as "{provider}:alice"
      And she is in exactly the groups "{provider}:platform-team" and "system:authenticated"

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

  Rule: Callers are authorized by user name and by group

    @P1
    Scenario Outline: Alice is authorized by her user name through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

    @P2
    Scenario Outline: Alice is authorized by her group through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate with the organization "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

    @P1
    Scenario Outline: Alice is authorized by her user name at the identity provider through <endpoint>
      Given all requests go through <endpoint>
      And Alice has logged in at the identity provider
      And the user "{provider}:alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "{provider}:alice"
      But she may not list secrets

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

    @P2
    Scenario Outline: Alice is authorized by her group at the identity provider through <endpoint>
      Given all requests go through <endpoint>
      And Alice has logged in at the identity provider
      And the group "{provider}:platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "{provider}:alice"
      But she may not list secrets

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

  Rule: Identity headers that a caller sends are ignored

    @P9
    Scenario Outline: Mallory claims to be Dana through <endpoint>, as <whom> would
      Given all requests go through <endpoint>
      And Mallory holds a client certificate
      And she claims to be Dana in the group "system:masters", as <whom> would
      When she asks the API server who she is
      Then she is accepted as "mallory"
      And she is in exactly the groups "system:authenticated"
      But she may not list secrets

      Examples:
        | whom            | endpoint                     |
        | a front proxy   | the auth proxy               |
        | an impersonator | the auth proxy               |
        | a front proxy   | the impersonating auth proxy |
        | an impersonator | the impersonating auth proxy |

  Rule: The proxy refuses callers that it cannot authenticate

    Scenario Outline: Mallory is refused at <endpoint> with a certificate that <flaw>
      Given all requests go through <endpoint>
      And Mallory holds a client certificate that <flaw>
      When she asks the API server who she is
      Then she is refused by the auth proxy as unauthenticated, because "<reason>"
      But Alice, with a valid certificate, is still accepted

      Examples:
        | endpoint                     | flaw                                                  | reason                                                            |
        | the auth proxy               | was signed by an unknown CA                           | client certificate: invalid peer certificate: UnknownIssuer       |
        | the auth proxy               | was signed by a CA with the same name but another key | client certificate: invalid peer certificate: BadSignature        |
        | the auth proxy               | expired an hour ago                                   | client certificate: invalid peer certificate: certificate expired |
        | the auth proxy               | is only for servers                                   | does not allow extended key usage for client authentication       |
        | the impersonating auth proxy | was signed by an unknown CA                           | client certificate: invalid peer certificate: UnknownIssuer       |

    Scenario: The auth proxy refuses a token that Mallory forged in the identity provider's name
      Given all requests go through the auth proxy
      And Mallory has forged a token of the identity provider, signed with RS256
      When she asks the API server who she is
      Then she is refused by the auth proxy as unauthenticated, because "bearer token: Signature verification failed: No matching key found"
      But Alice, with a valid login, is still accepted

    Scenario: The auth proxy refuses a token of another realm
      Given all requests go through the auth proxy
      And Alice has logged in at another issuer of the identity provider
      When she asks the API server who she is
      Then she is refused by the auth proxy as unauthenticated, because "bearer token: Invalid issuer"
      But Alice, with a valid login, is still accepted

    Scenario Outline: The auth proxy refuses a token of the identity provider that <flaw>
      Given all requests go through the auth proxy
      And Alice has logged in at the identity provider, and her token <flaw>
      When she asks the API server who she is
      Then she is refused by the auth proxy as unauthenticated, because "<reason>"
      But Alice, with a valid login, is still accepted

      Examples:
        | flaw                   | reason                                                              |
        | is for another cluster | bearer token: Invalid audiences: must contain `kubernetes`          |
        | has expired            | bearer token: Expired: ID token expired at                          |
        | names no user          | bearer token: it has no claim preferred_username, which is the user |

    Scenario Outline: Bob sends no credential through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused by the auth proxy as unauthenticated, because "neither a client certificate nor a bearer token was presented"
      But Alice, who asks the API server who she is, is accepted as "alice"

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |
