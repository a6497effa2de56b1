@external-certificate
Feature: A client certificate is read as Go reads it

  API servers are written in Go: its library decides which name counts, and which signatures are good enough.

  Rule: Of several common names, the last one is the user

    @X22
    Scenario: Alice's certificate with two common names names her by the last one
      Given Alice holds a client certificate with the common names "Users" and "alice"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"

    @X22
    Scenario: Alice may list configmaps as the last of her two common names
      Given Alice holds a client certificate with the common names "Users" and "alice"
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

  Rule: A client certificate is not signed with SHA-1

    @X21 @F1
    Scenario: A client certificate that was signed with SHA-1 is refused
      Given Mallory holds a client certificate that was signed with SHA-1
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "insecure algorithm ECDSA-SHA1"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted
