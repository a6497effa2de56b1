@impersonation @requires:constrained_impersonation
Feature: Impersonation can be constrained to what is done by it

  Taking somebody on, and doing something as somebody else, are two permissions. Both are needed.

  Background:
    Given Alice is a support engineer

  Rule: Who may do both is taken for the other, and the audit event says by which constraint

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
    Scenario: Alice may as Bob only what Bob may
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

  Rule: Doing something as somebody else takes a permission for just that

    @K2
    Scenario: Alice may not list secrets as Bob
      Given Alice may take on the user "bob"
      And she may list configmaps as another user
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:list resource "secrets" in API group ""'
      But she may list configmaps

  Rule: Taking somebody on takes a permission for just them

    @K3
    Scenario: Alice may not be Carol
      Given Alice may take on the user "bob"
      And she may list configmaps as another user
      And the group "system:authenticated" may list configmaps
      And she impersonates the user "carol"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope'
      But impersonating the user "bob", she may list configmaps

  Rule: Nobody becomes a cluster administrator by it

    @K7
    Scenario: Alice puts Bob above all rules
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

  Rule: A permission without constraint is still good for everything

    @K10
    Scenario: Alice may impersonate Bob without constraint
      Given Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And the audit event says that the impersonation was not constrained

  Rule: Who has impersonated nobody yet is told what the first constraint lacks

    @I2 @K2
    Scenario: Alice may impersonate nobody
      Given Alice impersonates the user "bob"
      When she asks the API server who she is
      Then she is refused as forbidden, because 'cannot impersonate-on:user-info:create resource "selfsubjectreviews" in API group "authentication.k8s.io"'
      But as herself, she is accepted

  Rule: Nodes are taken on by name, and in no groups but theirs

    @K6
    Scenario: Alice may not be a node
      Given Alice may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'nodes.authentication.k8s.io "worker" is forbidden: User'
      And she is refused as forbidden, because 'cannot impersonate:arbitrary-node resource "nodes"'

    @K6
    Scenario: Alice may be one node
      Given Alice may take on the node "worker"
      And she may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And she is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event says that the impersonation was constrained by "impersonate:arbitrary-node"

    @K5
    Scenario: The deployer may be the node that its pod is on
      Given the deployer holds a service account token bound to its pod on a node
      And its service account may impersonate the node that its pod is on, and list configmaps by that
      And the group "system:nodes" may list configmaps
      And the deployer impersonates the node that its pod is on
      When it asks to list configmaps
      Then it is accepted as the node
      And it is in exactly the groups "system:nodes" and "system:authenticated"
      And the audit event says that the impersonation was constrained by "impersonate:associated-node"

    @K5
    Scenario: The deployer may not be another node
      Given the deployer holds a service account token bound to its pod on a node
      And its service account may impersonate the node that its pod is on, and list configmaps by that
      And the group "system:nodes" may list configmaps
      And the deployer impersonates another node
      When it asks to list configmaps
      Then it is refused as forbidden, because "cannot impersonate-on:arbitrary-node:list"

  Rule: Four groups or more are asked for at once, before each is asked for alone

    @K9
    Scenario: Alice may take on whichever group, asked for at once
      Given Alice may take on the user "bob" in the group "*"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a", "b" and "c"
      When she asks to list configmaps
      Then she is accepted as "bob"

    @K9
    Scenario: Three groups are asked for one by one
      Given Alice may take on the user "bob" in the group "*"
      And she may list configmaps as another user
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the groups "on-call", "a" and "b"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'groups.authentication.k8s.io "on-call" is forbidden'
      But impersonating the user "bob" in the groups "on-call", "a", "b" and "c", she may list configmaps

  Rule: Where it is switched off, only a permission without constraint counts

    @K13
    Scenario: Alice's constrained permission is good for nothing
      Given an API server with constrained impersonation switched off
      And Alice may take on the user "bob"
      And she may list configmaps as another user
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'cannot impersonate resource "users" in API group ""'
      But asking an API server with it switched on, she may list configmaps

  Rule: What is tried is counted by its constraint

    @K12
    Scenario: Alice is counted as one node
      Given Alice may take on the node "worker"
      And she may list configmaps as any node
      And the group "system:nodes" may list configmaps
      And she impersonates the user "system:node:worker"
      And it is noted what the API server has counted so far
      When she asks to list configmaps
      Then she is accepted as "system:node:worker"
      And at least one more impersonation is counted as "arbitrary-node" and "allowed", with the questions that it took
