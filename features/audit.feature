@audit
Feature: The audit log says who asked, as whom, and how the API server decided

  Rule: The event of an impersonated request names both users, and the caller's credential

    @R4
    Scenario: The audit event names Alice, and Bob whom she impersonates
      Given Alice is a support engineer
      And Alice may impersonate the user "bob" in the group "on-call"
      And she impersonates the user "bob" in the group "on-call"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And the audit event says that Alice impersonated "bob"
      And the audit event names each of the impersonated user's groups once

    @R4
    Scenario: The audit event has the id of Alice's certificate, and no credential of Bob
      Given Alice is a support engineer
      And Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And the audit event has the certificate of Alice for the caller's credential, and none for "bob"

  Rule: No event says which authenticator accepted the caller

    @R5
    Scenario Outline: The audit event has no field for the authenticator that accepted <credential>
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Alice holds <credential>
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the audit event has no field for the authenticator

      Examples:
        | credential                        |
        | a client certificate              |
        | a token from the token file       |
        | a token that the webhook accepts  |
        | a token of the issuer "es256"     |

  Rule: The level of a rule decides how much of a request and its response is recorded

    @R12
    Scenario Outline: A request of the group <group> is recorded with <bodies>
      Given an API server with an audit policy for each group
      And Alice holds a client certificate with the organization "<group>"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the audit event has the level "<level>", with <bodies>

      Examples:
        | group                   | level           | bodies                       |
        | recorded-in-short       | Metadata        | no body                      |
        | recorded-with-requests  | Request         | the request alone            |
        | recorded-with-responses | RequestResponse | the request and the response |

    @R12
    Scenario: A request of a group that is never recorded is answered all the same
      Given an API server with an audit policy for each group
      And Alice holds a client certificate with the organization "recorded-never"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the audit log has the request in no stage

  Rule: A request is recorded in each stage that its rule does not omit

    @R13
    Scenario Outline: A request of the group <group> is recorded in <stages>
      Given an API server with an audit policy for each group
      And Alice holds a client certificate with the organization "<group>"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the audit log has the request in exactly the <stages>

      Examples:
        | group                   | stages                                            |
        | recorded-in-short       | stage "ResponseComplete"                          |
        | recorded-in-every-stage | stages "RequestReceived" and "ResponseComplete"   |
