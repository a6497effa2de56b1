@signing-request
Feature: A signing request is recorded as its requester's

  Anybody who may request certificates may request any subject. So the API server records the requester, by whom an
  approver can decide.

  Rule: The requester is recorded, and nobody can change that

    @C2
    Scenario: Alice is recorded as the requester of her certificate
      Given Alice may request certificates
      When she requests a certificate
      Then the request is accepted, and recorded as made by "alice"
      But not even the administrator can change who is recorded

    @C2
    Scenario: Mallory is recorded as the requester, although she names Alice
      Given Mallory may request certificates
      When she requests a certificate in the name of "alice"
      Then the request is accepted, and recorded as made by "mallory"

    @C2 @I10
    Scenario: Bob is recorded as the requester when Alice impersonates him
      Given Alice is a support engineer
      And she may impersonate the user "bob" with the UID "4711"
      And she impersonates the user "bob" with the UID "4711"
      And the user that she impersonates may request certificates
      When she requests a certificate
      Then the request is accepted, and recorded as made by "bob"
      And she has the UID "4711"

  Rule: Nobody becomes a cluster administrator by a signing request

    @C6
    Scenario: Mallory's request for a certificate of system:masters is refused
      Given Mallory may request certificates
      When she requests a certificate with the organization "system:masters"
      Then she is refused as forbidden, because "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
      But she may still request a certificate with the organization "platform-team"

  Rule: A kubelet requests certificates only in the name of its own node

    @C20
    @requires:node_certificate_names
    Scenario: A kubelet's request for the certificate of another node is refused
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it requests a kubelet's certificate in the name of "system:node:another"
      Then it is refused as forbidden, because "can only create a node CSR with CN=system:node:"
      But it may still request a kubelet's certificate

  Rule: A request is sound PKCS#10, and names its signer and its usages

    Scenario Outline: A request that <flaw> is refused
      Given Bob may request certificates
      When he requests a certificate in a request that <flaw>
      Then the request is refused as bad, because "<reason>"
      But he may still request a certificate

      @C7
      Examples: Not PKCS#10
        | flaw                            | reason                                     |
        | is no PEM block                 | PEM block type must be CERTIFICATE REQUEST |
        | was cut short                   | asn1: syntax error: data truncated         |
        | was changed after it was signed | x509: ECDSA verification failure           |

      @C19
      Examples: Incomplete
        | flaw            | reason                          |
        | names no signer | spec.signerName: Required value |
        | names no usages | spec.usages: Required value     |

  Rule: A certificate is valid for ten minutes at least

    @C11
    Scenario Outline: A request for <lifetime> is refused
      Given Bob may request certificates
      When he requests a certificate valid for <lifetime>
      Then the request is refused as bad, because "may not specify a duration less than 600 seconds (10 minutes)"
      But he may still request a certificate valid for 600 seconds

      Examples:
        | lifetime    |
        | 599 seconds |
        | -1 seconds  |

  Rule: Requests are found by their signer and by their name

    @C17
    Scenario: Dana is shown the requests of one signer, and the one of a name
      Given Dana holds a client certificate with the organization "system:masters"
      And three requests for one signer, and one for another
      When Dana lists the requests for the one signer
      Then she is shown those three
      And she, who lists them by name, is shown one
