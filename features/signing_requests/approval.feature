@signing-request
Feature: A certificate is signed only after an approval by somebody who may approve for its signer

  Rule: Approving a request requires the approve permission on its signer

    @C1 @C4 @C16
    Scenario Outline: Carol, with permission for "<signer>", approves a request
      Given Carol may approve requests for the signer "<signer>"
      And Alice may request certificates
      And she has requested a certificate
      When Carol approves the request
      Then the request is approved
      And the request is signed

      Examples:
        | signer                              |
        | kubernetes.io/kube-apiserver-client |
        | kubernetes.io/*                     |

    @C3
    Scenario: Bob has no permission to approve, and his approval is refused
      Given Bob may approve requests for no signer
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Bob approves the request
      Then he is refused as forbidden, because 'user not permitted to approve requests with signerName "example.com/internal"'
      But he can approve it once permitted for the signer "example.com/internal"

    @C3 @C4
    Scenario: Bob's approval with permission for another signer is refused
      Given Bob may approve requests for the signer "example.com/external"
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Bob approves the request
      Then he is refused as forbidden, because 'user not permitted to approve requests with signerName "example.com/internal"'
      But he can approve it once permitted for the signer "example.com/*"

  Rule: Signing a request takes a permission of its own

    @C5 @C16
    Scenario: Carol may approve for a signer, but may not sign
      Given Carol may approve requests for the signer "example.com/internal"
      And she may sign requests for no signer
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Carol signs the request
      Then she is refused as forbidden, because 'user not permitted to sign requests with signerName "example.com/internal"'
      But she can sign it once permitted for the signer "example.com/internal"

  Rule: An approved request is signed only if a controller for its signer runs

    @C13
    Scenario: Alice's approved request stays unsigned while no controller for its signer runs
      Given Carol may approve requests for the signer "example.com/internal"
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Carol approves the request
      Then the request is approved
      But the request stays approved without a certificate, while a later one of Alice is signed

  Rule: A denied request is never signed

    @C14
    Scenario: Mallory's denied request stays unsigned
      Given Carol may approve requests for the signer "kubernetes.io/kube-apiserver-client"
      And Mallory may request certificates
      And she has requested a certificate
      When Carol denies the request
      Then the request stays denied without a certificate, while a later one of Mallory is signed

  Rule: A signer fails a request for key usages that it does not allow

    @C12
    Scenario: Alice's approved request that also asks for server auth fails at the signer of client certificates
      Given Carol may approve requests for the signer "kubernetes.io/kube-apiserver-client"
      And Alice may request certificates
      And she has requested a certificate for servers, too
      When Carol approves the request
      Then the request is approved
      But the request fails with "SignerValidationFailure", because "invalid usage for client certificate: server auth"
      And the request stays failed without a certificate, while a later one of Alice is signed

  Rule: Only kubelets' client certificates are approved automatically, and only for requesters with permission

    @C15
    Scenario: A joining node's request is approved automatically
      Given the robot may request certificates for kubelets
      When it requests a kubelet's certificate
      Then the request is approved with "AutoApproved", because "Auto approving kubelet client certificate after SubjectAccessReview."
      And the request is signed

    @C15
    Scenario: A node's request for a renewed certificate is approved automatically
      Given the robot may request certificates for its own node
      When it requests a kubelet's certificate
      Then the request is approved with "AutoApproved", because "Auto approving self kubelet client certificate after SubjectAccessReview."
      And the request is signed

    @C15
    Scenario: Mallory, without permission, requests a kubelet's certificate, which stays pending
      Given Mallory may request certificates
      And the robot may request certificates for kubelets
      When Mallory requests a kubelet's certificate
      Then the request stays pending without a certificate, while a later one of the robot for a kubelet is approved

    @C15
    Scenario: A joining node's request to another signer stays pending
      Given the robot may request certificates for kubelets
      When it requests a kubelet's certificate from the signer "kubernetes.io/kube-apiserver-client"
      Then the request stays pending without a certificate, while a later one of the robot for a kubelet is approved
