@exec-plugin
Feature: A client has its credential from a plugin

  Rule: What the plugin gives is presented

    @E1
    Scenario: Alice's plugin gives her a token
      Given Alice has a plugin that gives her a token
      When she asks the command-line client who she is
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was asked once

    @E1
    Scenario: Alice's plugin gives her a certificate and its key
      Given Alice has a plugin that gives her a certificate and its key
      When she asks the command-line client who she is
      Then the client says that she is accepted as "alice"
      And the plugin was asked once

    @E1
    Scenario: Alice's plugin gives a token to a client made with kube
      Given Alice has a plugin that gives her a token
      When she asks a client made with kube who she is
      Then the client says that she is accepted as "rs256:alice"

    @E1
    Scenario: Alice's plugin gives a certificate to a client made with kube
      Given Alice has a plugin that gives her a certificate and its key
      When she asks a client made with kube who she is
      Then the client says that she is accepted as "alice"

  Rule: A plugin is asked again when what it gave is over, or was refused

    @E1
    Scenario: Alice's plugin gives a token that is over
      Given Alice has a plugin whose tokens are over at once
      When she asks the command-line client who she is
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was asked again

    @E1
    Scenario: Alice's plugin gives a token that the API server refuses
      Given Alice has a plugin whose first token has a wrong signature
      When she asks the command-line client who she is
      Then the client is refused, because "Unauthorized"
      And the plugin was asked again
      But with a plugin that is sound, the client says that she is accepted as "rs256:alice"

  Rule: Who brings a credential of their own needs no plugin

    @E12
    Scenario: Alice asks with a token of her own
      Given Alice has a plugin that ends with an error
      When she asks the command-line client who she is, with a token of her own
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was not asked

  Rule: A plugin is told of the cluster where the kubeconfig says so

    @E8
    Scenario: Alice's plugin is told of the cluster
      Given Alice has a plugin that is told of the cluster
      When she asks the command-line client who she is
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was told the address of the cluster

    @E8
    Scenario: Alice's plugin is told of no cluster
      Given Alice has a plugin that gives her a token
      When she asks the command-line client who she is
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was told of no cluster, and that nobody can be asked
