@authorization
Feature: A webhook decides on requests before the authorizers that follow it

  Background:
    Given an API server with several authorizers

  Rule: A webhook allows a request, denies it, or leaves it to the next authorizer

    @AZ1
    Scenario: Alice may do what the webhook allows
      Given Alice holds a client certificate with the organization "webhook-allows"
      When she asks to list configmaps
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "the webhook lets this group list configmaps"
      But she may not list secrets

    @AZ2
    Scenario: Alice may not do what the webhook denies, whatever her role allows
      Given Alice holds a client certificate with the organization "webhook-denies"
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is refused as forbidden, because "the webhook keeps this group away from configmaps"
      And the audit event records the decision "forbid", because "the webhook keeps this group away from configmaps"

    @AZ3
    Scenario: Alice may do what her role allows if the webhook has no opinion
      Given Alice holds a client certificate with the organization "webhook-abstains"
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "RBAC: allowed by RoleBinding"

    @AZ3
    Scenario: Alice is told what the webhook said if nobody has an opinion
      Given Alice holds a client certificate with the organization "webhook-abstains"
      When she asks to list configmaps
      Then she is refused as forbidden, because "the webhook has nothing to say about this group"

  Rule: A webhook is asked only about requests that all of its match conditions are true of

    @AZ4
    Scenario: Alice may list secrets, about which the webhook that denies is not asked
      Given Alice holds a client certificate with the organization "webhook-denies"
      And the user "alice" may list secrets
      When she asks to list secrets
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "RBAC: allowed by RoleBinding"
      But she may not list configmaps

    @AZ4
    Scenario: Alice, about whose group the webhook is not asked, may do what her role allows
      Given Alice holds a client certificate with the organization "platform-team"
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "RBAC: allowed by RoleBinding"

  Rule: A webhook that fails decides as its failure policy says

    @AZ5
    Scenario: Alice is refused if the failure policy is to deny, whatever her role allows
      Given Alice holds a client certificate with the organization "webhook-fails"
      And the user "alice" may list configmaps
      And the user "alice" may list secrets
      When she asks to list configmaps
      Then she is refused with an internal error, because "the access webhook is out of order"
      But she may list secrets

    @AZ6
    Scenario: Alice may do what her role allows if the failure policy is to have no opinion
      Given Alice holds a client certificate with the organization "adviser-fails"
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      And the audit event records the decision "allow", because "RBAC: allowed by RoleBinding"

    @AZ6
    Scenario: Alice is told of the failure if nobody else allows her request
      Given Alice holds a client certificate with the organization "adviser-fails"
      And the user "alice" may list secrets
      When she asks to list configmaps
      Then she is refused with an internal error, because "the access webhook is out of order"
      But she may list secrets
