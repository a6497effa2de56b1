@external-certificate
Feature: A client certificate is accepted only if a trusted CA vouches for it

  Rule: A client certificate is signed by a trusted client CA

    @X3 @F1 @F2
    Scenario Outline: A client certificate that <flaw> is refused
      Given Mallory holds a client certificate that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

      Examples:
        | flaw                                                  |
        | was signed by an unknown CA                           |
        | was signed by the CA of the API servers' certificates |
        | was signed by the front proxy's CA                    |
        | was signed by a CA with the same name but another key |
        | is self-signed                                        |

  Rule: A client certificate is valid only between its two dates

    @X4 @F1
    Scenario: An expired client certificate is refused
      Given Mallory holds a client certificate that expired an hour ago
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate has expired or is not yet valid"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

    @X5 @F1
    Scenario: A client certificate that is not valid yet is refused
      Given Mallory holds a client certificate that is not valid before an hour from now
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate has expired or is not yet valid"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

  Rule: A client certificate must allow client authentication

    @X6 @F1
    Scenario: A certificate for servers only is refused
      Given Mallory holds a client certificate that is only for servers
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate specifies an incompatible key usage"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

  Rule: A client certificate has at most one UID, a string that is not empty

    @X12 @requires:certificate_uid
    Scenario: A client certificate with an empty UID is refused
      Given Mallory holds a client certificate that has an empty UID
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "UID cannot be an empty string"
      But Alice, with a valid certificate, is still accepted

    @X14 @requires:certificate_uid
    Scenario: A client certificate with two UIDs is refused
      Given Mallory holds a client certificate that has two UIDs
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "expected 1 UID, but found multiple"
      But Alice, with a valid certificate, is still accepted

    @X13 @requires:certificate_uid_of_text_alone
    Scenario: A client certificate whose UID is a number is refused in the TLS handshake
      Given Mallory holds a client certificate that has a UID that is a number
      When she asks the API server who she is
      Then she is refused in the TLS handshake, because "received fatal alert: DecodeError"
      But Alice, with a valid certificate, is still accepted

  Rule: The client sends the intermediate certificates

    @X7
    Scenario: A client certificate is accepted together with its intermediate certificate
      Given Alice holds a client certificate with its intermediate certificate
      When she asks the API server who she is
      Then she is accepted as "alice"

    @X7
    Scenario: A client certificate without its intermediate certificate is refused
      Given Bob holds a client certificate that lacks its intermediate certificate
      When he asks the API server who he is
      Then he is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, with a valid certificate, is still accepted

    @X8
    Scenario: A client certificate with an expired intermediate certificate is refused
      Given Mallory holds a client certificate that has an expired intermediate certificate
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate has expired or is not yet valid"
      But Alice, with a valid certificate, is still accepted

  Rule: A CA is trusted as soon as it is in the client CA file, without a restart

    @X17
    Scenario: Alice's new CA becomes trusted while the API server runs
      Given Alice holds a client certificate of a new CA, and is refused with it
      When the new CA is added to the API server's client CA file
      Then she, who asks the API server who she is, is soon accepted as "alice"
      And Bob, with a client certificate, is accepted

  Rule: An API server knows no revocation: there is no flag for a list, and one beside the CA is not read

    @X20
    Scenario: Alice's certificate is accepted although the CA's list revokes it
      Given Alice holds a client certificate of a new CA, and is refused with it
      When the new CA with a list that revokes her certificate is added to the API server's client CA file
      Then she, who asks the API server who she is, is soon accepted as "alice"
      And Bob, with a client certificate, is accepted

  Rule: A client certificate without a common name names no user

    The x509 authenticator ignores such a certificate; the front-proxy authenticator refuses it, because it trusts a different CA.

    @X9
    Scenario: Bob's certificate without a common name is refused
      Given Bob holds a client certificate that has no common name
      When he asks the API server who he is
      Then he is refused as unauthenticated, with no other error than "x509: certificate signed by unknown authority"
      But he, with a service account token beside the certificate, is accepted as the service account

  Rule: A client without a credential is anonymous

    @X10
    Scenario: Bob, without a certificate, is anonymous
      Given Bob holds no credential
      When he asks the API server who he is
      Then he is refused as forbidden, because "system:anonymous"
