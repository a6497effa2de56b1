@authorization @review
Feature: An access review has the decision on a request, and its reason

  Rule: A review of another user needs the right to create one

    @AZ10
    Scenario: Dana is told which binding lets Alice list configmaps
      Given Dana holds a client certificate with the organization "system:masters"
      And the user "alice" may list configmaps
      When Dana asks the API server whether Alice may list configmaps
      Then the review returns:
        | allowed | yes                           |
        | denied  | no                            |
        | reason  | RBAC: allowed by RoleBinding  |
        | reason  | to User "alice"               |

    @AZ10
    Scenario: Dana is told that nothing lets Alice list secrets
      Given Dana holds a client certificate with the organization "system:masters"
      And the user "alice" may list configmaps
      When Dana asks the API server whether Alice may list secrets
      Then the review returns:
        | allowed | no |
        | denied  | no |
        | reason  |    |

    @AZ10
    Scenario: Bob may not ask what Alice may do
      Given Bob holds a client certificate
      When Bob asks the API server whether Alice may list configmaps
      Then he is refused as forbidden, because 'User "bob" cannot create resource "subjectaccessreviews"'

  Rule: Everybody who is authenticated may ask about themselves

    @AZ11
    Scenario: Alice is told that the webhook allows her request
      Given an API server with several authorizers
      And Alice holds a client certificate with the organization "webhook-allows"
      When Alice asks the API server whether she may list configmaps
      Then the review returns:
        | allowed | yes                                         |
        | denied  | no                                          |
        | reason  | the webhook lets this group list configmaps |

    @AZ11
    Scenario: Alice is told that the webhook denies her request
      Given an API server with several authorizers
      And Alice holds a client certificate with the organization "webhook-denies"
      When Alice asks the API server whether she may list configmaps
      Then the review returns:
        | allowed | no                                                |
        | denied  | yes                                               |
        | reason  | the webhook keeps this group away from configmaps |

    @AZ11
    Scenario: Alice is told that nobody has an opinion on her request
      Given an API server with several authorizers
      And Alice holds a client certificate with the organization "webhook-abstains"
      When Alice asks the API server whether she may list configmaps
      Then the review returns:
        | allowed | no                                              |
        | denied  | no                                              |
        | reason  | the webhook has nothing to say about this group |
        | reason  | No policy matched.                              |
