@service-account
Feature: A token of a service account is kept in a Secret only where somebody wants that

  Until Kubernetes 1.24 every service account got such a Secret by itself. Its token is good for as long as the Secret exists.

  Rule: A Secret made for a service account's token is filled with one that does not expire

    @S26
    Scenario: The deployer takes its token from a Secret
      Given the deployer holds the service account token that a Secret was filled with
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other
      And it has the UID of its service account
      And the token never expires
      But the credential has no id

  Rule: No Secret appears by itself

    @S26
    Scenario: Nobody made a Secret for the deployer
      Given the deployer has a service account
      And a Secret was filled with a token of another service account
      And Dana holds a client certificate with the organization "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And no Secret is of the deployer's service account

  Rule: The token ends with its Secret

    @S26
    Scenario: The Secret with the deployer's token is deleted
      Given the deployer holds the service account token that a Secret was filled with
      When the Secret with its token is deleted
      Then it is soon refused as unauthenticated, because "Token has been invalidated"
      But the deployer, whose token is sound, is still accepted
