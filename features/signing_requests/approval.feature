@signing-request
Feature: A certificate is signed only after somebody with a say in its signer has approved

  Rule: Approving takes a permission for the signer that is asked for

    @C1 @C4 @C16
    Scenario Outline: Carol, who decides for "<signer>", approves a client certificate
      Given Carol may decide about requests for the signer "<signer>"
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
    Scenario: Bob may approve, but for no signer
      Given Bob may decide about requests, but for no signer
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Bob approves the request
      Then he is refused as forbidden, because 'user not permitted to approve requests with signerName "example.com/internal"'
      But once allowed to decide for the signer "example.com/internal", he can approve it

    @C3 @C4
    Scenario: Bob may approve for another signer
      Given Bob may decide about requests for the signer "example.com/external"
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Bob approves the request
      Then he is refused as forbidden, because 'user not permitted to approve requests with signerName "example.com/internal"'
      But once allowed to decide for the signer "example.com/*", he can approve it

  Rule: Signing takes a permission of its own

    @C5 @C16
    Scenario: Carol, who may only approve, signs
      Given Carol may decide about requests for the signer "example.com/internal"
      And she may issue certificates, but for no signer
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Carol puts a certificate into the request
      Then she is refused as forbidden, because 'user not permitted to sign requests with signerName "example.com/internal"'
      But once allowed to sign for the signer "example.com/internal", she can do so

  Rule: What is approved is signed only where a signer of that name is at work

    @C13
    Scenario: Nobody signs for Alice's signer
      Given Carol may decide about requests for the signer "example.com/internal"
      And Alice may request certificates
      And she has requested a certificate from the signer "example.com/internal"
      When Carol approves the request
      Then the request is approved
      But the request stays approved without a certificate, while a later one of Alice is signed

  Rule: What is denied is never signed

    @C14
    Scenario: Carol denies Mallory's request
      Given Carol may decide about requests for the signer "kubernetes.io/kube-apiserver-client"
      And Mallory may request certificates
      And he has requested a certificate
      When Carol denies the request
      Then the request stays denied without a certificate, while a later one of Mallory is signed

  Rule: A signer fails a request that is not for it

    @C12
    Scenario: Alice's client certificate shall serve, too
      Given Carol may decide about requests for the signer "kubernetes.io/kube-apiserver-client"
      And Alice may request certificates
      And she has requested a certificate for servers, too
      When Carol approves the request
      Then the request is approved
      But the request fails with "SignerValidationFailure", because "invalid usage for client certificate: server auth"
      And the request stays failed without a certificate, while a later one of Alice is signed

  Rule: Only kubelets' requests are approved by themselves, and only for who may request them so

    @C15
    Scenario: The robot requests a certificate for a kubelet
      Given the robot may request certificates for kubelets
      When it requests a kubelet's certificate
      Then the request is approved by itself, because "Auto approving kubelet client certificate after SubjectAccessReview."
      And the request is signed

    @C15
    Scenario: A node requests its next certificate
      Given the robot is a node that may request its own certificate
      When it requests a kubelet's certificate
      Then the request is approved by itself, because "Auto approving self kubelet client certificate after SubjectAccessReview."
      And the request is signed

    @C15
    Scenario: Mallory requests a certificate for a kubelet
      Given Mallory may request certificates
      And the robot may request certificates for kubelets
      When Mallory requests a kubelet's certificate
      Then the request stays pending, while a later one of the robot for a kubelet is approved by itself

    @C15
    Scenario: The robot requests a kubelet's identity from the signer for everybody
      Given the robot may request certificates for kubelets
      When it requests a kubelet's certificate from the signer "kubernetes.io/kube-apiserver-client"
      Then the request stays pending, while a later one of the robot for a kubelet is approved by itself
