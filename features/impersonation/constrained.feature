@impersonation @requires:constrained_impersonation
Feature: Permission to impersonate can be limited to some actions

  "Alice may impersonate Bob to list configmaps" stands for two permissions: one to impersonate Bob, and one to list configmaps
  while impersonating a user. Either alone is not enough. Bob must be allowed to list configmaps, too.

  Background:
    Given Alice is a support engineer

  Rule: A permitted action is carried out as the impersonated user, and only if that user may do it

    @K1
    Scenario: Alice lists configmaps as Bob
      Given Alice may impersonate the user "bob" in the group "on-call" to list configmaps
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the group "on-call"
      When she asks to list configmaps
      Then she is accepted as "bob"
      And the audit event names the constraint "impersonate:user-info"

    @K1
    Scenario: Alice cannot list secrets as Bob if Bob may not list them
      Given Alice may impersonate the user "bob" to list secrets
      And she may impersonate the user "bob" to list configmaps
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'User "bob" cannot list resource "secrets"'
      But she may list configmaps

    @K4
    Scenario: Alice lists configmaps as a service account
      Given Alice may impersonate the service account "deployer" to list configmaps
      And the group "system:serviceaccounts" may list configmaps
      And she impersonates the service account "deployer"
      When she asks to list configmaps
      Then she is accepted as the deployer's service account
      And she is in the groups of service accounts and in no other
      And the audit event names the constraint "impersonate:serviceaccount"

  Rule: An action that is not permitted while impersonating is refused

    @K2
    Scenario: Alice cannot list secrets as Bob if she may only list configmaps as him
      Given Alice may impersonate the user "bob" to list configmaps
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:list resource "secrets" in API group ""'
      But she may list configmaps

  Rule: A user whom the caller may not impersonate is refused, even for a permitted action

    @K3
    Scenario: Alice cannot list configmaps as Carol if she may only impersonate Bob
      Given Alice may impersonate the user "bob" to list configmaps
      And the group "system:authenticated" may list configmaps
      And she impersonates the user "carol"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope'
      But she may list configmaps as the user "bob"

  Rule: The group system:masters, and a group without a name, are refused even if they are permitted

    @K7
    Scenario: Alice cannot impersonate Bob in the group system:masters
      Given Alice may impersonate the user "bob" in the groups "on-call" and "system:masters" to list configmaps
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the group "system:masters"
      When she asks to list configmaps
      Then she is refused as forbidden, because "impersonating the system:masters group is not allowed"
      But she may list configmaps as the user "bob" in the group "on-call"

    @K8
    Scenario: Alice cannot impersonate Bob in a group without a name
      Given Alice may impersonate the user "bob" in the group "on-call" to list configmaps
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call" and ""
      When she asks to list configmaps
      Then she is refused as forbidden, because "impersonating the empty string group is not allowed"
      But she may list configmaps as the user "bob" in the group "on-call"

  Rule: An ordinary permission to impersonate still allows every action

    @K10
    Scenario: Alice acts as Bob with an ordinary permission
      Given Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And the audit event names no constraint

  Rule: A caller without any of these permissions is told the one for the action, which is checked first

    @I2 @K2
    Scenario: Alice cannot act as Bob without a permission
      Given Alice impersonates the user "bob"
      When she asks the API server who she is
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:create resource "selfsubjectreviews" in API group "authentication.k8s.io"'
      But she may still act as herself

  Rule: A node is impersonated with a permission of its own kind, and only in the group of nodes

    @K6
    Scenario: Alice lists configmaps as a node
      Given Alice may impersonate the node "worker" to list configmaps
      And the group "system:nodes" may list configmaps
      And she impersonates the node "worker"
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And she is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event names the constraint "impersonate:arbitrary-node"

    @K6
    Scenario: Alice cannot list configmaps as a node that she may not impersonate
      Given Alice may impersonate the node "storage" to list configmaps
      And the group "system:nodes" may list configmaps
      And she impersonates the node "worker"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'nodes.authentication.k8s.io "worker" is forbidden: User'
      And she is refused as forbidden, because 'cannot impersonate:arbitrary-node resource "nodes"'

  Rule: A pod can be permitted to impersonate its own node, whichever that is

    @K5
    Scenario: The deployer lists configmaps as the node of its pod
      Given the deployer holds a service account token bound to its pod on a node
      And it may impersonate the node of its pod to list configmaps
      And the group "system:nodes" may list configmaps
      And it impersonates the node of its pod
      When it asks to list configmaps
      Then it is accepted as the node of its pod
      And it is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event names the constraint "impersonate:associated-node"

    @K5
    Scenario: The deployer cannot list configmaps as another node
      Given the deployer holds a service account token bound to its pod on a node
      And it may impersonate the node of its pod to list configmaps
      And the group "system:nodes" may list configmaps
      And it impersonates another node
      When it asks to list configmaps
      Then it is refused as forbidden, because "cannot impersonate-on:arbitrary-node:list"

  Rule: A permission for the group "*" allows any groups if there are four or more

    With fewer groups, the API server looks for a permission for each of them.

    @K9
    Scenario: Alice impersonates Bob in four groups with a permission for the group "*"
      Given Alice may impersonate the user "bob" in the group "*" to list configmaps
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a", "b" and "c"
      When she asks to list configmaps
      Then she is accepted as "bob"

    @K9
    Scenario: Alice cannot impersonate Bob in three groups with a permission for the group "*"
      Given Alice may impersonate the user "bob" in the group "*" to list configmaps
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a" and "b"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'groups.authentication.k8s.io "on-call" is forbidden'
      But she may list configmaps as the user "bob" in the groups "on-call", "a", "b" and "c"

  Rule: Where constrained impersonation is switched off, its permissions have no effect

    @K13
    Scenario: Alice cannot list configmaps as Bob where constrained impersonation is off
      Given an API server with constrained impersonation switched off
      And Alice may impersonate the user "bob" to list configmaps
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate resource "users" in API group ""'
      But she may list configmaps where constrained impersonation is on

  Rule: Attempts are counted by the kind of identity and the result

    @K12
    Scenario: Alice's impersonation of a node is counted
      Given Alice may impersonate the node "worker" to list configmaps
      And the group "system:nodes" may list configmaps
      And she impersonates the node "worker"
      And the current metric values are recorded
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And at least one more impersonation in the mode "arbitrary-node" is counted as "allowed", with its permission checks
