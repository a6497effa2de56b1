@authorization
Feature: The file with the authorizers is replaced while the API server runs

  Background:
    Given an API server with several authorizers

  Rule: A new file takes effect without a restart

    @AZ12
    Scenario: Alice is refused once the new file has the webhook asked about her
      Given Alice is a newcomer
      And the user "alice" may list configmaps
      And the user "alice" may list secrets
      When Dana replaces the authorizers by a file that also asks the webhook about newcomers
      Then the new configuration is in force
      And she may not list configmaps
      And she is refused as forbidden, because "the webhook keeps newcomers away from configmaps"
      But she may list secrets

  Rule: A file that is invalid changes nothing

    @AZ13
    Scenario Outline: The new file <mistake>, and Alice may do what she could before
      Given Alice is a newcomer
      And the user "alice" may list configmaps
      When Dana replaces the authorizers by a file that <mistake>
      Then the new configuration is refused when it is validated, because '<reason>'
      But she may list configmaps

      Examples:
        | mistake                              | reason                                   |
        | has an authorizer of an unknown type | Unsupported value: "Oracle"              |
        | has webhooks alone                   | missing required types: [ABAC Node RBAC] |
