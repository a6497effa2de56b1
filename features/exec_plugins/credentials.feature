@exec-plugin
Feature: A client gets its credential from a plugin

  Rule: The client presents the credential that the plugin returns

    @E1
    Scenario: Alice's plugin returns a token
      Given Alice has a plugin that returns a token
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "rs256:alice"
      And the plugin was called once

    @E1
    Scenario: Alice's plugin returns a certificate and its key
      Given Alice has a plugin that returns a certificate and its key
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "alice"
      And the plugin was called once

    @E1
    Scenario: Alice's plugin returns a token to a client built on the Rust crate kube
      Given Alice has a plugin that returns a token
      When she asks the API server who she is through a client built on the Rust crate kube
      Then the client is accepted as "rs256:alice"

    @E1
    Scenario: Alice's plugin returns a certificate to a client built on the Rust crate kube
      Given Alice has a plugin that returns a certificate and its key
      When she asks the API server who she is through a client built on the Rust crate kube
      Then the client is accepted as "alice"

  Rule: If a credential has expired or is refused, the plugin is called again

    @E1
    Scenario: Alice's plugin returns a token whose expiry is in the past
      Given Alice has a plugin that returns tokens whose expiry is in the past
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "rs256:alice"
      And the plugin was called more than once

    @E1
    Scenario: Alice's plugin returns a token that the API server refuses
      Given Alice has a plugin that first returns a forged token and then a valid one
      When she asks the API server who she is through the command-line client
      Then the client fails, because "Unauthorized"
      And the plugin was called more than once
      But with a valid plugin, the client is accepted as "rs256:alice"

  Rule: A token on the command line takes the plugin's place

    @E12
    Scenario: Alice presents a token of her own, and her plugin is not called
      Given Alice has a plugin that exits with an error
      When she asks the API server who she is through the command-line client with a token of her own
      Then the client is accepted as "rs256:alice"
      And the plugin was not called

  Rule: A plugin is told the cluster's address if the kubeconfig says so

    @E8
    Scenario: Alice's plugin is told the cluster's address
      Given Alice has a plugin that is configured to receive the cluster's address
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "rs256:alice"
      And the plugin was told the cluster's address

    @E8
    Scenario: Alice's plugin is not told the cluster's address
      Given Alice has a plugin that returns a token
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "rs256:alice"
      And the plugin was told only that it has no terminal
