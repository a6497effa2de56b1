@signing-request
Feature: A node requests certificates for its pods

  Nobody approves such a request: its signer issues, denies or fails it, and that is final.

  Background:
    Given an API server with the Node authorizer
    And the robot is the kubelet of the node that the deployer's pod is on
    And it has requested a pod certificate

  Rule: Only the signer decides, and only once

    @PC1
    Scenario Outline: The signer <decides>, and that is final
      When the signer <decides>
      Then the request is <decided>
      And the signer can change nothing any more, because "immutable after PodCertificateRequest is issued, denied, or failed"

      Examples:
        | decides              | decided                      |
        | issues a certificate | issued with the certificate  |
        | denies the request   | denied without a certificate |
        | fails the request    | failed without a certificate |

  Rule: A pod certificate needs a strong key, and a proof of its possession

    @PC2
    Scenario Outline: A pod certificate for <key> is refused
      When the robot requests a pod certificate for <key>
      Then the request is refused as bad, because "<reason>"
      But it may still request a pod certificate

      Examples:
        | key                 | reason                                       |
        | a short RSA key     | RSA keys must have modulus size 3072 or 4096 |
        | somebody else's key | invalid signature                            |

  Rule: A pod certificate is valid for 1 hour to 91 days, from a kubernetes.io signer for at most 24 hours

    @PC3
    Scenario: A request without a lifetime gets 24 hours
      When the robot requests a pod certificate
      Then the request is accepted for 24 hours

    @PC3
    Scenario Outline: A pod certificate for <lifetime> is refused
      When the robot requests a pod certificate for <lifetime>
      Then the request is refused as bad, because "<reason>"
      But it may still request a pod certificate for an hour

      Examples:
        | lifetime                             | reason                               |
        | less than an hour                    | must be in the range [3600, 7862400] |
        | 92 days                              | must be in the range [3600, 7862400] |
        | 25 hours from a kubernetes.io signer | must be in the range [3600, 86400]   |

  Rule: A kubelet may request certificates only for pods on its own node

    @PC4
    Scenario: A kubelet's request for another node is refused
      When the robot requests a pod certificate in another node's name
      Then it is refused as forbidden, because "which is not the requesting node"
      But it may still request a pod certificate

    @PC4
    Scenario: A kubelet's request for a pod that does not exist is refused
      When the robot requests a pod certificate for a pod that does not exist
      Then it is refused with an internal error, because 'pod "nobody" not found'
      But it may still request a pod certificate

  Rule: A kubelet may request certificates only of signers that the pod or RBAC names

    @PC7
    Scenario: A kubelet's request for another signer is refused
      When the robot requests a pod certificate of a signer that the pod does not name
      Then it is refused as forbidden, because "does not mount a podCertificate projected volume for signer"
      But it may still request a pod certificate

    @PC7
    Scenario: A kubelet's request for a signer that RBAC names is accepted
      Given RBAC lets the kubelet request pod certificates of the signer "authlab.example/others"
      When the robot requests a pod certificate of a signer that the pod does not name
      Then the request is accepted for 24 hours

  Rule: A signer issues what was requested

    @PC5
    Scenario Outline: The signer is refused if it <acts>
      When the signer <acts>
      Then the request is refused as bad, because "<reason>"
      But the signer can still issue a certificate

      Examples:
        | acts                                                  | reason                                                         |
        | issues a certificate that lives longer than requested | leaf certificate lifetime must be <= spec.maxExpirationSeconds |
        | issues a certificate for another key                  | leaf certificate was not issued to the requested public key    |
        | issues a certificate without a renewal time           | must be present and in the range                               |
        | changes the requested lifetime                        | field is immutable                                             |
