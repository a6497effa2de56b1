@service-account
Feature: A service account token can name the node that its holder runs on

  Rule: A token that is bound to a pod names the pod's node

    @S8
    Scenario: A token bound to the deployer's pod names the pod's node
      Given the deployer holds a service account token bound to its pod on a node
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

    @S8
    Scenario: The pod's node is named even if it does not exist
      Given the deployer holds a service account token bound to its pod on a node that does not exist
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

  Rule: A token that is bound to a node ends with the node

    @S9
    Scenario: A token bound to a node names the node
      Given the deployer holds a service account token bound to a node
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

    @S9 @S12
    Scenario: A token ends when its node is deleted
      Given the deployer holds a service account token bound to a node
      And one like it is accepted
      When the node is deleted
      Then it is soon refused as unauthenticated, because "service account token has been invalidated"
      But with a new token of its service account, it is accepted

    @S10
    @requires:no_node_binding
    Scenario: An older API server refuses to bind a token to a node
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer bound to a node
      Then the request is refused as bad, because 'cannot bind token to a Node object as the "ServiceAccountTokenNodeBinding" feature-gate is disabled'
      But asking for a token of the deployer, she is given one

  Rule: A kubelet gets tokens only for pods on its own node

    @S30
    Scenario: A kubelet is refused a token that is bound to no pod
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer
      Then it is refused as forbidden, because "node requested token not bound to a pod"
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one

    @S30
    Scenario: A kubelet is refused a token for a pod on another node
      Given an API server with the Node authorizer
      And the deployer has a pod on another node, too
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer bound to its pod on another node
      Then it is refused as forbidden, because "node requested token bound to a pod scheduled on a different node"
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one

  Rule: A kubelet gets tokens only for audiences that a pod on its node mounts

    @S29
    @requires:node_audience_restriction
    Scenario: A kubelet is refused a token for an audience that no pod mounts
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer bound to its pod on a node for the audience "bank"
      Then it is refused as forbidden, because 'is not authorized to request tokens for audience "bank"'
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one

    @S32
    @requires:node_audience_restriction
    Scenario: A kubelet is given a token for the audience that its pod's CSI driver asks for
      Given an API server with the Node authorizer
      And the deployer's pod has a volume of a CSI driver that asks for tokens for the audience "bank"
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer bound to its pod on a node for the audience "bank"
      Then the token is created

    @S32
    @requires:node_audience_restriction
    Scenario: A kubelet is given a token for an audience that RBAC lets it ask for
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      And RBAC lets the kubelet request tokens for the audience "bank"
      When it asks for a token of the deployer bound to its pod on a node for the audience "bank"
      Then the token is created

    @S32
    @requires:node_audience_restriction
    Scenario: A kubelet is refused a token for two audiences
      Given an API server with the Node authorizer
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer bound to its pod on a node for the audiences "vault" and "bank"
      Then it is refused as forbidden, because "node may only request 0 or 1 audiences"
      But asking for a token of the deployer bound to its pod on a node for the audience "vault", it is given one
