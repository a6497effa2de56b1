@service-account
Feature: A service account token can be bound to the configuration of an admission webhook

  Its holder presents it to the webhook. It says for which API group's objects its holder asks.

  Background:
    Given an API server with tokens for admission webhooks
    And Dana holds a client certificate with the organization "system:masters"
    And an admission webhook for an API group

  Rule: The token names the webhook's configuration and the API group

    @S28
    Scenario: The deployer is given a token for a webhook
      Given the deployer may attest for the API group
      When Dana asks for a token of the deployer for the webhook
      Then the token names the webhook's configuration and its API group
      And reviewed by Dana for the webhook, it is the deployer's, and names the webhook's configuration

  Rule: The service account must be allowed to attest for the API group

    @S28
    Scenario: No token is created for a service account that may not attest
      When Dana asks for a token of the deployer for the webhook
      Then she is refused as forbidden, because 'cannot attest resource "admissionReviewAPIGroups" in API group "authentication.k8s.io"'

  Rule: The token is for the address of the webhook

    @S28
    Scenario: No token is created for the API server's audience
      Given the deployer may attest for the API group
      When Dana asks for a token of the deployer for the webhook, but for the API server's audience
      Then the request is refused as bad, because "api server audiences are invalid for webhook token requests"
      But asking for a token of the deployer for the webhook, she is given one

    @S28
    Scenario: No token is created for another address
      Given the deployer may attest for the API group
      When Dana asks for a token of the deployer for the webhook, but for another address
      Then she is refused as forbidden, because "token request denied"

  Rule: The binding has a feature gate

    @S28
    Scenario: No token is bound to a webhook while the feature gate is off
      Given an API server with the configuration file
      And the deployer may attest for the API group
      When Dana asks for a token of the deployer for the webhook
      Then the request is refused as bad, because "feature gate APIServerWebhookAuthenticationToken is disabled"
      But asking for a token of the deployer for the webhook where the feature gate is on, she is given one
