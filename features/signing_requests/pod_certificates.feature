@signing-request
Feature: A node requests certificates for its pods

  Nobody approves such a request: its signer issues, denies or fails it, and that is final.

  Background:
    Given an API server with nodes
    And the robot is the kubelet of the node that the deployer's pod is on

  Rule: The signer decides alone, and once

    @PC1
    Scenario: The signer issues
      Given the robot has requested a pod certificate
      When the signer puts a certificate into the request
      Then the request is "Issued", with its certificate
      And it may not be changed any more, because "immutable after PodCertificateRequest is issued, denied, or failed"

    @PC1
    Scenario Outline: The signer says that the request is <condition>
      Given the robot has requested a pod certificate
      When the signer marks the request as "<condition>"
      Then the request is "<condition>", without a certificate
      And it may not be changed any more, because "immutable after PodCertificateRequest is issued, denied, or failed"

      Examples:
        | condition |
        | Denied    |
        | Failed    |

  Rule: The key is a strong one, and its holder's

    @PC2
    Scenario Outline: The kubelet requests <what>
      Given the robot has requested a pod certificate
      When it requests <what>
      Then the request is refused as bad, because "<reason>"
      But it may still request a pod certificate

      Examples:
        | what                                       | reason                                         |
        | a pod certificate for a short RSA key      | RSA keys must have modulus size 3072 or 4096   |
        | a pod certificate for somebody else's key  | invalid signature |

  Rule: It lives for an hour at least, and for 91 days at most, one of Kubernetes' own for a day

    @PC3
    Scenario: Nothing is said of its life
      Given the robot has requested a pod certificate
      When it requests a pod certificate
      Then what it has requested is good for a day

    @PC3
    Scenario Outline: The kubelet requests too <much>
      Given the robot has requested a pod certificate
      When it requests <what>
      Then the request is refused as bad, because "<reason>"
      But it may still request a pod certificate for an hour

      Examples:
        | much           | what                                              | reason                                 |
        | little         | a pod certificate for less than an hour           | must be in the range [3600, 7862400]   |
        | much           | a pod certificate for 92 days                     | must be in the range [3600, 7862400]   |
        | much for Kubernetes | a pod certificate of Kubernetes' own for 25 hours | must be in the range [3600, 86400] |

  Rule: A kubelet requests for pods of its own node

    @PC4
    Scenario Outline: The kubelet requests <what>
      Given the robot has requested a pod certificate
      When it requests <what>
      Then it is refused as forbidden, because "<reason>"
      But it may still request a pod certificate

      Examples:
        | what                                   | reason                           |
        | a pod certificate in another node's name | which is not the requesting node |

  Rule: What is issued is what was requested

    @PC5
    Scenario Outline: The signer puts <what> into the request
      Given the robot has requested a pod certificate
      When the signer puts <what> into the request
      Then the request is refused as bad, because "<reason>"
      But a sound certificate is accepted in it

      Examples:
        | what                                            | reason                                                      |
        | a certificate that lives longer than requested  | leaf certificate lifetime must be <= spec.maxExpirationSeconds |
        | a certificate for another key                   | leaf certificate was not issued to the requested public key |
        | a certificate without saying when to renew it   | must be present and in the range                            |

    @PC5
    Scenario: The signer changes what was requested
      Given the robot has requested a pod certificate
      When the signer changes what was requested
      Then the request is refused as bad, because "field is immutable"
      But a sound certificate is accepted in it
