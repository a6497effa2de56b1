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

  Rule: The use of a token is recorded at its Secret

    @S33
    Scenario: A Secret is labelled with the day of its token's last use
      Given the deployer holds a service account token from a Secret
      And the current metric values are recorded
      When it asks the API server who it is
      Then it is accepted as its service account
      And the use of the Secret is recorded, as one that was created on request

    @S33
    Scenario: The holder of a token from an automatically created Secret is warned
      Given the current metric values are recorded
      And the deployer holds a service account token from a Secret that its service account lists
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is warned that "Use tokens from the TokenRequest API or manually created secret-based tokens"
      And the use of the Secret is recorded, as one that was created automatically

  Rule: The token ends with its Secret

    @S26
    Scenario: A token ends when its Secret is deleted
      Given the deployer holds a service account token from a Secret
      When the Secret with its token is deleted
      Then it is soon refused as unauthenticated, because "Token has been invalidated"
      But the deployer, with a valid token, is still accepted

  Rule: The token is refused while its Secret is marked as invalid

    The cluster marks a Secret that was created automatically and not used for a year, before it deletes it.

    @S31
    Scenario: A token is refused when its Secret is marked as invalid
      Given the deployer holds a service account token from a Secret
      When the Secret with its token is marked as invalid
      Then it is soon refused as unauthenticated, because "has been marked invalid. Use tokens from the TokenRequest API"
      But the deployer, with a valid token, is still accepted
