@service-account
Feature: A service account token is kept in a Secret only on request

  Until Kubernetes 1.24 every service account got such a Secret by itself. Its token is good for as long as the Secret exists.

  Rule: A Secret that is made for a service account's token is filled with one that never expires

    @S26
    Scenario: The deployer takes its token from a Secret
      Given the deployer holds a service account token from a Secret
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other
      And it has the UID of its service account
      And the token never expires
      But it has no extra "authentication.kubernetes.io/credential-id"

  Rule: No Secret appears by itself

    @S26
    Scenario: A service account that was given a token has no Secret
      Given the deployer holds a service account token
      And another service account has a token in a Secret
      And Dana holds a client certificate with the organization "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And no Secret belongs to the deployer

  Rule: The token ends with its Secret

    @S26
    Scenario: A token ends when its Secret is deleted
      Given the deployer holds a service account token from a Secret
      When the Secret with its token is deleted
      Then it is soon refused as unauthenticated, because "Token has been invalidated"
      But the deployer, with a valid token, is still accepted
