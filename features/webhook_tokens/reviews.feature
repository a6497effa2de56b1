@webhook-token @bearer
Feature: The API server has tokens that it does not know reviewed by a webhook

  Background:
    Given an API server with tokens of every kind

  Rule: Whom the webhook vouches for is who calls, with all that it says of them

    @W1
    Scenario: The webhook vouches for Alice
      Given Alice holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"
      And she has the UID "webhook-alice"
      And she has the extra "example.com/shift" with "blue" and "green"

  Rule: Why the webhook refuses somebody is in the API server's log alone

    @W2 @F1 @F2
    @requires:server_log
    Scenario: The webhook says why it refuses Mallory
      Given Mallory holds a token that the webhook refuses because "her account is locked"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "her account is locked"
      And the answer gives nothing away
      But Mallory, whose token is sound, is still accepted

    @W2
    Scenario: The webhook refuses Mallory without a word
      Given Mallory holds a token that the webhook refuses
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      But Mallory, whose token is sound, is still accepted

  Rule: A token is for the audiences that the webhook names, and for every one asked for where it names none

    @W3
    Scenario: Mallory's token is for somebody else
      Given Mallory holds a token that the webhook accepts for the audience "another-cluster"
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      But Mallory, whose token is sound, is still accepted

    @W4
    Scenario: The webhook knows nothing of audiences
      Given Alice holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked for the API server's own audience, in the API version "authentication.k8s.io/v1"

  Rule: A webhook that is out of order is asked again, as long as that makes sense

    @W5
    Scenario Outline: The webhook answers with the status <status> at first
      Given Alice holds a token that the webhook first answers with the status <status>, and then accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked twice

      Examples:
        | status |
        | 500    |
        | 429    |

    @W5
    Scenario Outline: The webhook goes on answering with the status <status>
      Given Mallory holds a token that the webhook answers with the status <status>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "the token webhook is out of order (asked: <times>)"
      And the API server logs that it could not ask the webhook
      But Mallory, whose token is sound, is still accepted

      Examples:
        | status | times |
        | 500    | 5     |
        | 404    | 1     |

    @W5
    Scenario: The webhook hangs up
      Given Mallory holds a token that the webhook hangs up on
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "EOF"
      And the API server logs that it could not ask the webhook
      But Mallory, whose token is sound, is still accepted

  Rule: What the webhook answered is remembered, unless it was an error

    @W6
    Scenario: Alice's token was accepted
      Given Alice holds a token that the webhook first accepts, and then refuses because "it was revoked"
      And she was accepted with it once
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked once

    @W6
    Scenario: Mallory's token was refused without a word
      Given Mallory holds a token that the webhook first refuses, and then accepts
      And she was refused with it once, because "invalid bearer token"
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      But Mallory, whose token is sound, is still accepted

    @W6 @F9
    @requires:server_log
    Scenario: Alice's token was refused with an error
      Given Alice holds a token that the webhook first refuses because "not yet", and then accepts
      And she was refused with it once, because "not yet"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked twice

  Rule: A webhook that cannot be trusted is not asked

    @W8
    Scenario: The webhook's certificate is of an unknown authority
      Given an API server with a webhook that it does not trust
      And Mallory holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      And the API server logs that it could not ask the webhook
      But she, who asks an API server that trusts the webhook, is accepted as "mallory"
