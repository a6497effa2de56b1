@authorization
Feature: Each authorizer has its own words for a refusal

  Rule: RBAC names the binding and the role that allow a request

    @AZ7
    Scenario: Alice may do what the role of her group allows
      Given Alice holds a client certificate with the organization "on-call"
      And the group "on-call" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "RBAC: allowed by RoleBinding"
      But she may not list secrets

  Rule: ABAC says only that no policy matches

    @AZ8
    Scenario: Alice may do what a policy allows her group
      Given an API server with several authorizers
      And Alice holds a client certificate with the organization "configmap-readers"
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @AZ8
    Scenario: Alice is refused what no policy allows
      Given an API server with several authorizers
      And Alice holds a client certificate with the organization "configmap-readers"
      When she asks to list secrets
      Then she is refused as forbidden, because "No policy matched."
      But she may list configmaps

  Rule: The Node authorizer lets a kubelet read what the pods on its node use, one object at a time

    @AZ9
    Scenario: A kubelet may not list the Secrets of a namespace
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks to list secrets
      Then it is refused as forbidden, because "No Object name found"
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one

    @AZ9
    Scenario: A kubelet gets no token of a service account that no pod on its node has
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of a service account that does not exist
      Then it is refused as forbidden, because "no relationship found between node"
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one

  Rule: An authorizer that an API server lacks allows nothing there

    @AZ14
    Scenario: A kubelet may list Services where the Node authorizer is
      Given an API server with the Node authorizer
      And the robot holds a client certificate of a kubelet
      When it asks to list services
      Then it is accepted as "system:node:worker"
      But it may not list configmaps

    @AZ14
    Scenario: A kubelet may not list Services where the Node authorizer is missing
      Given an API server with the configuration file
      And the robot holds a client certificate of a kubelet
      When it asks to list services
      Then it is refused as forbidden, because 'User "system:node:worker" cannot list resource "services"'

    @AZ14
    Scenario: Alice may not do what a policy allows her group where ABAC is missing
      Given an API server with the configuration file
      And Alice holds a client certificate with the organization "configmap-readers"
      When she asks to list configmaps
      Then she is refused as forbidden, because 'User "alice" cannot list resource "configmaps"'
