@impersonation @requires:constrained_impersonation
Feature: Impersonation can be limited to particular actions

  Impersonating an identity and performing an action while impersonating are two permissions. Both are needed.

  Background:
    Given Alice is a support engineer

  Rule: With both permissions, the caller acts as the other user, and the audit event names the mode

    @K1
    Scenario: Alice may list configmaps as Bob
      Given Alice may take on the user "bob" in the group "on-call"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the group "on-call"
      When she asks to list configmaps
      Then she is accepted as "bob"
      And the audit event says that the impersonation was constrained by "impersonate:user-info"

    @K1
    Scenario: As Bob, Alice may do only what Bob may do
      Given Alice may take on the user "bob"
      And she may list secrets as another user
      And she may list configmaps as another user
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'User "bob" cannot list resource "secrets"'
      But she may list configmaps

    @K4
    Scenario: Alice may list configmaps as the deployer
      Given Alice may take on the service account "deployer"
      And she may list configmaps as a service account
      And the group "system:serviceaccounts" may list configmaps
      And she impersonates the service account "deployer"
      When she asks to list configmaps
      Then she is accepted as the impersonated service account, in exactly its groups
      And the audit event says that the impersonation was constrained by "impersonate:serviceaccount"

  Rule: An action while impersonating requires a permission for that action

    @K2
    Scenario: Alice may not list secrets as Bob
      Given Alice may take on the user "bob"
      And she may list configmaps as another user
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:list resource "secrets" in API group ""'
      But she may list configmaps

  Rule: Impersonating a user requires a permission for that user

    @K3
    Scenario: Alice may not impersonate Carol
      Given Alice may take on the user "bob"
      And she may list configmaps as another user
      And the group "system:authenticated" may list configmaps
      And she impersonates the user "carol"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope'
      But impersonating the user "bob", she may list configmaps

  Rule: Constrained impersonation makes nobody a cluster administrator

    @K7
    Scenario: Alice adds Bob to system:masters
      Given Alice may take on the user "bob" in the groups "on-call" and "system:masters"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the group "system:masters"
      When she asks to list configmaps
      Then she is refused as forbidden, because "impersonating the system:masters group is not allowed"
      But impersonating the user "bob" in the group "on-call", she may list configmaps

    @K8
    Scenario: Alice puts Bob into a group without a name
      Given Alice may take on the user "bob" in the group "on-call"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call" and ""
      When she asks to list configmaps
      Then she is refused as forbidden, because "impersonating the empty string group is not allowed"
      But impersonating the user "bob" in the group "on-call", she may list configmaps

  Rule: An ordinary impersonate permission still allows every action

    @K10
    Scenario: Alice may impersonate Bob without constraint
      Given Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And the audit event says that the impersonation was not constrained

  Rule: A first attempt without any permission names the permission that the first mode lacks

    @I2 @K2
    Scenario: Alice has no permission to impersonate
      Given Alice impersonates the user "bob"
      When she asks the API server who she is
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:create resource "selfsubjectreviews" in API group "authentication.k8s.io"'
      But as herself, she is accepted

  Rule: Nodes are impersonated by name, and only with the groups of nodes

    @K6
    Scenario: Alice may not impersonate a node
      Given Alice may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'nodes.authentication.k8s.io "worker" is forbidden: User'
      And she is refused as forbidden, because 'cannot impersonate:arbitrary-node resource "nodes"'

    @K6
    Scenario: Alice may impersonate one node
      Given Alice may take on the node "worker"
      And she may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And she is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event says that the impersonation was constrained by "impersonate:arbitrary-node"

    @K5
    Scenario: The deployer may impersonate the node that its pod runs on
      Given the deployer holds a service account token bound to its pod on a node
      And its service account may impersonate the node that its pod is on, and list configmaps by that
      And the group "system:nodes" may list configmaps
      And the deployer impersonates the node that its pod is on
      When it asks to list configmaps
      Then it is accepted as the node
      And it is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event says that the impersonation was constrained by "impersonate:associated-node"

    @K5
    Scenario: The deployer may not impersonate another node
      Given the deployer holds a service account token bound to its pod on a node
      And its service account may impersonate the node that its pod is on, and list configmaps by that
      And the group "system:nodes" may list configmaps
      And the deployer impersonates another node
      When it asks to list configmaps
      Then it is refused as forbidden, because "cannot impersonate-on:arbitrary-node:list"

  Rule: For four groups or more, the permission for all groups is checked first, and then that for each

    @K9
    Scenario: Alice, with permission for all groups, impersonates four groups
      Given Alice may take on the user "bob" in the group "*"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a", "b" and "c"
      When she asks to list configmaps
      Then she is accepted as "bob"

    @K9
    Scenario: For three groups, each permission is checked alone
      Given Alice may take on the user "bob" in the group "*"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a" and "b"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'groups.authentication.k8s.io "on-call" is forbidden'
      But impersonating the user "bob" in the groups "on-call", "a", "b" and "c", she may list configmaps

  Rule: With the feature off, only an ordinary impersonate permission counts

    @K13
    Scenario: Alice's constrained permission has no effect
      Given an API server with constrained impersonation switched off
      And Alice may take on the user "bob"
      And she may list configmaps as another user
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate resource "users" in API group ""'
      But asking an API server with it switched on, she may list configmaps

  Rule: Attempts are counted by mode

    @K12
    Scenario: Alice's impersonation of a node is counted
      Given Alice may take on the node "worker"
      And she may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      And the current metric values are recorded
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And at least one more impersonation is counted as "arbitrary-node" and "allowed", with the questions that it took
