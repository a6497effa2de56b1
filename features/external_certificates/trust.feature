@external-certificate
Feature: A client certificate is trusted only as far as its authority

  Rule: The certificate must be valid now, be meant for clients, and come from the client authority

    Scenario Outline: Mallory's certificate <flaw>
      Given Mallory holds a client certificate that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      And the answer gives nothing away
      But Alice, whose certificate is sound, is still accepted

      @X3 @F1 @F2
      Examples: Signed by somebody else
        | flaw                                     | reason                                           |
        | was signed by a stranger's authority     | x509: certificate signed by unknown authority    |
        | was signed by an impostor of the authority | x509: certificate signed by unknown authority  |
        | was signed by its holder alone           | x509: certificate signed by unknown authority    |

      @X4 @F1
      Examples: Too late
        | flaw                | reason                                        |
        | expired an hour ago | x509: certificate has expired or is not yet valid |

      @X5 @F1
      Examples: Too early
        | flaw                                | reason                                        |
        | is not valid before an hour from now | x509: certificate has expired or is not yet valid |

      @X6 @F1
      Examples: Not for clients
        | flaw                | reason                                                 |
        | is only for servers | x509: certificate specifies an incompatible key usage |

  Rule: A UID must be one text

    Scenario Outline: Mallory's certificate <flaw>
      Given Mallory holds a client certificate that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose certificate is sound, is still accepted

      @X12 @requires:certificate_uid
      Examples: Empty
        | flaw             | reason                     |
        | has an empty UID | UID cannot be an empty string |

      @X14 @requires:certificate_uid
      Examples: More than one
        | flaw         | reason                                |
        | has two UIDs | expected 1 UID, but found multiple    |

    @X13
    Scenario: Mallory's certificate has a UID that is no text at all
      Given Mallory holds a client certificate that has a UID that is a number
      When she asks the API server who she is
      Then she is refused in TLS, because "received fatal alert: DecodeError"
      But Alice, whose certificate is sound, is still accepted

  Rule: Intermediate authorities are the holder's to send

    @X7
    Scenario: Alice sends the intermediate along
      Given Alice holds a client certificate of an intermediate authority, and sends that along
      When she asks the API server who she is
      Then she is accepted as "alice"

    @X7
    Scenario: Alice forgets the intermediate
      Given Alice holds a client certificate of an intermediate authority, and does not send that along
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, whose certificate is sound, is still accepted

    @X8
    Scenario: Mallory sends an intermediate along that has expired
      Given Mallory holds a client certificate of an intermediate authority that has expired, and sends that along
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate has expired or is not yet valid"
      But Mallory, whose certificate is sound, is still accepted

  Rule: The authorities are those that the API server trusts now

    @X17
    Scenario: Alice's authority comes to be trusted while the API server runs
      Given Alice holds a client certificate of a new authority, and is refused with it
      When the new authority is added to those that the API server trusts
      Then she is soon accepted as "alice"
      And Bob, with a client certificate, is accepted

  Rule: A certificate that names nobody is nobody's

    The authenticator of client certificates has no opinion of it. The one of the front proxy has: to it, it is a stranger's.

    @X9
    Scenario: Bob's certificate names nobody
      Given Bob holds a client certificate that names nobody
      When he asks the API server who he is
      Then he is refused as unauthenticated, only because "x509: certificate signed by unknown authority"
      But with a service account token beside it, he is accepted as the service account

  Rule: Who presents nothing is anonymous

    @X10
    Scenario: Bob has no certificate
      Given Bob holds no credential
      When he asks the API server who he is
      Then he is refused as forbidden, because "system:anonymous"
