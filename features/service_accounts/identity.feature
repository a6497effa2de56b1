@service-account
Feature: A token of a service account says which service account holds it

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

  Rule: A token that is bound to a pod says which pod that is

    @S6
    Scenario: The deployer's token is bound to its pod
      Given the deployer holds a service account token bound to its pod
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run in its pod

    @S1
    Scenario: The deployer's token is bound to nothing
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is not known to run in any pod

  Rule: What a service account may do is decided by its name and by its namespace's group

    @S1
    Scenario: The deployer may by its name
      Given the deployer holds a service account token
      And its service account may list configmaps
      When it asks to list configmaps
      Then it is accepted as its service account
      But it may not list secrets

    @S1
    Scenario: The deployer may by its namespace
      Given the deployer holds a service account token
      And all service accounts of its namespace may list configmaps
      When it asks to list configmaps
      Then it is accepted as its service account
      But it may not list secrets
