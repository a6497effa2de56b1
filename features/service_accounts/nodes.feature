@service-account
Feature: A token of a service account can say on which node its holder runs

  Rule: A token that is bound to a pod names the pod's node

    @S8
    Scenario: The deployer's pod is on a node
      Given the deployer holds a service account token bound to its pod on a node
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

    @S8
    Scenario: The deployer's pod is on a node that nobody knows
      Given the deployer holds a service account token bound to its pod on a node that is not there
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

  Rule: A token that is bound to a node ends with the node

    @S9
    Scenario: The deployer's token is bound to a node
      Given the deployer holds a service account token bound to a node
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is known to run on the node

    @S9 @S12
    Scenario: The deployer's node is deleted
      Given the deployer holds a service account token bound to a node
      And one like it is accepted
      When the node is deleted
      Then it is soon refused as unauthenticated, because "service account token has been invalidated"
      But with a new token of its service account it is accepted

    @S10
    @requires:no_node_binding
    Scenario: Dana asks an older API server for a token that is bound to a node
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer that is bound to a node
      Then the request is refused as bad, because 'cannot bind token to a Node object as the "ServiceAccountTokenNodeBinding" feature-gate is disabled'
      But she is given a token of the deployer

  Rule: A kubelet asks for tokens only for audiences that a pod of its node mounts

    @S29
    @requires:node_audience_restriction
    Scenario: The kubelet asks for a token for an audience of its own choice
      Given an API server with nodes
      And the robot is the kubelet of the node that the deployer's pod is on
      When it asks for a token of the deployer's pod for the audience "bank"
      Then it is refused as forbidden, because 'is not authorized to request tokens for audience "bank"'
      But it is given one for the audience "vault"
