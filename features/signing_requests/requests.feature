@signing-request
Feature: A signing request is recorded as its requester's

  Who may request certificates may ask for any subject. So the API server writes down who asked: whoever approves
  the request decides by that.

  Rule: Who asked is recorded, and nobody can change that

    @C2
    Scenario: Alice's request is recorded as hers
      Given Alice may request certificates
      When she requests a certificate
      Then the request is accepted, and recorded as made by "alice"
      But not even the administrator can change who is recorded

    @C2
    Scenario: Mallory writes somebody else's name into his request
      Given Mallory may request certificates
      When he requests a certificate in the name of "alice"
      Then the request is accepted, and recorded as made by "mallory"

    @C2 @I10
    Scenario: Alice requests a certificate as Bob
      Given Alice is a support engineer
      And she may impersonate the user "bob" with the UID "4711"
      And she impersonates the user "bob" with the UID "4711"
      And whom she impersonates may request certificates
      When she requests a certificate
      Then the request is accepted, and recorded as made by "bob"
      And she has the UID "4711"

  Rule: Nobody becomes a cluster administrator by a signing request

    @C6
    Scenario: Mallory asks to be above all rules
      Given Mallory may request certificates
      When he requests a certificate with the organization "system:masters"
      Then he is refused as forbidden, because "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
      But he may still request a certificate with the organization "platform-team"

  Rule: What is requested must be a sound PKCS#10 request

    @C7
    Scenario Outline: Bob requests a certificate by a <flaw>
      Given Bob may request certificates
      When he requests a certificate by a <flaw>
      Then the request is refused as bad, because "<reason>"
      But he may still request a certificate

      Examples:
        | flaw                             | reason                                     |
        | text that is no request          | PEM block type must be CERTIFICATE REQUEST |
        | request that was cut short       | asn1: syntax error: data truncated         |
        | request with another's signature | x509: ECDSA verification failure           |

  Rule: A certificate lives for ten minutes at least

    @C11
    Scenario Outline: Bob requests a certificate for <lifetime>
      Given Bob may request certificates
      When he requests a certificate valid for <lifetime>
      Then the request is refused as bad, because "may not specify a duration less than 600 seconds (10 minutes)"
      But he may still request a certificate valid for 600 seconds

      Examples:
        | lifetime    |
        | 599 seconds |
        | -1 seconds  |

  Rule: A request names its signer and its usages itself

    @C19
    Scenario Outline: Dana forgets to name <field>
      Given Dana holds a client certificate with the organization "system:masters"
      When she requests a certificate, but forgets to name <field>
      Then the request is refused as bad, because "<reason>"
      But she may request one that names both

      Examples:
        | field    | reason                         |
        | a signer | spec.signerName: Required value |
        | usages   | spec.usages: Required value     |

  Rule: Requests are found by their signer and by their name

    @C17
    Scenario: Dana looks for the requests of one signer
      Given Dana holds a client certificate with the organization "system:masters"
      And three requests for one signer, and one for another
      When Dana lists the requests for the one signer
      Then she is shown those three
      And she, who lists them by name, is shown one
