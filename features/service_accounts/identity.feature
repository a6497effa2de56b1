@service-account
Feature: A service account token says which service account holds it

  Software that runs in or beside a cluster has an account in a namespace. The API server signs its tokens itself.

  Rule: The identity is the service account, in the groups that all service accounts are in

    @S1 @F15
    Scenario: The deployer is known by its token
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other
      And it has the UID of its service account
      And the credential's id is the token's

  Rule: A token that is bound to a pod names the pod

    @S6
    Scenario: A token bound to the deployer's pod names the pod
      Given the deployer holds a service account token bound to its pod
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run in its pod

    @S1
    Scenario: A token bound to nothing names no pod
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run in no pod

  Rule: A service account has the rights of its name and of its namespace's group

    @S1
    Scenario: The deployer lists configmaps by a right of its own
      Given the deployer holds a service account token
      And its service account may list configmaps
      When it asks to list configmaps
      Then it is accepted as its service account
      But it may not list secrets

    @S1
    Scenario: The deployer lists configmaps by a right of its namespace's service accounts
      Given the deployer holds a service account token
      And all service accounts of its namespace may list configmaps
      When it asks to list configmaps
      Then it is accepted as its service account
      But it may not list secrets
