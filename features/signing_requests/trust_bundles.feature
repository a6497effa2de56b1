@signing-request
Feature: A signer's trust bundle is published by somebody who may attest for the signer

  A trust bundle is an object with the CAs of a signer. Service accounts may read it, and pods may mount it.

  Rule: Publishing a trust bundle requires the attest permission on its signer

    @PC6
    Scenario: Carol, with permission for the signer, publishes its trust bundle
      Given Carol may publish trust bundles of the signer "example.com/internal"
      When she publishes a trust bundle
      Then the trust bundle is published, and the deployer reads it with a service account token

    @PC6
    Scenario Outline: Bob, with permission for <signer>, is refused
      Given Bob may publish trust bundles of <signer>
      When he publishes a trust bundle
      Then he is refused as forbidden, because 'user not permitted to attest for signerName "example.com/internal"'
      But he can publish it once permitted for the signer "example.com/*"

      Examples:
        | signer                            |
        | no signer                         |
        | the signer "example.com/external" |

  Rule: A trust bundle has the name of its signer, and certificates of CAs

    @PC6
    Scenario Outline: Carol's publication of <bundle> is refused
      Given Carol may publish trust bundles of the signer "example.com/internal"
      When she publishes <bundle>
      Then the request is refused as bad, because "<reason>"
      But she may still publish a trust bundle

      Examples:
        | bundle                                          | reason                                                                           |
        | a trust bundle under the name of another signer | ClusterTrustBundle for signerName example.com/internal must be named with prefix |
        | a trust bundle with a private key               | entry 0 has bad block type: PRIVATE KEY                                          |
        | a trust bundle with a certificate of no CA      | entry 0 does not have the CA bit set                                             |

  Rule: A trust bundle keeps its signer, and is found by it

    @PC8
    Scenario: Carol's change of the signer is refused
      Given Carol may publish trust bundles of the signer "example.com/*"
      And she has published a trust bundle
      When she changes the signer of the trust bundle
      Then the request is refused as bad, because "field is immutable"
      But she may still change its certificates

    @PC8
    Scenario: The deployer finds a trust bundle by its signer
      Given Carol may publish trust bundles of the signer "example.com/internal"
      When she publishes a trust bundle
      Then the deployer finds the trust bundle among those of the signer, and of no other

  Rule: The cluster publishes the CA of its API servers

    @PC9
    Scenario: The deployer finds the CA of the API server
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And the deployer finds the CA of the API server in a trust bundle of the cluster
