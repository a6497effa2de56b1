@webhook-token @bearer
Feature: A webhook reviews the tokens that the API server does not know

  Background:
    Given an API server with a token file, bootstrap tokens, a token webhook and an issuer

  Rule: A user that the webhook accepts has the groups, UID and extra that it names

    @W1
    Scenario: Alice is accepted as the user that the webhook names
      Given Alice holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"
      And she has the UID "webhook-alice"
      And she has the extra "example.com/shift" with "blue" and "green"

  Rule: The webhook's reason for a refusal is only in the API server's log

    @W2 @F1 @F2
    @requires:server_log
    Scenario: The webhook refuses Mallory's token with a reason
      Given Mallory holds a token that the webhook refuses because "her account is locked"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "her account is locked"
      And the response does not reveal the reason
      But Mallory, with a valid token, is still accepted

    @W2
    Scenario: The webhook refuses Mallory's token without a reason
      Given Mallory holds a token that the webhook refuses
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Mallory, with a valid token, is still accepted

  Rule: A token is valid for the audiences that the webhook names, or for all if it names none

    @W3
    Scenario: A token is refused if the webhook names another audience
      Given Mallory holds a token that the webhook accepts for the audience "another-cluster"
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Mallory, with a valid token, is still accepted

    @W4
    Scenario: A token is accepted if the webhook names no audience
      Given Alice holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked for the API server's own audience, in the API version "authentication.k8s.io/v1"

  Rule: A webhook that fails is asked again if the failure may be temporary

    @W5
    Scenario Outline: Alice is accepted although the webhook first answers with the status <status>
      Given Alice holds a token that the webhook first answers with the status <status>, and then accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked twice

      Examples:
        | status |
        | 500    |
        | 429    |

    @W5 @W7
    Scenario Outline: Mallory is refused when the webhook always answers with the status <status>
      Given Mallory holds a token that the webhook answers with the status <status>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "the token webhook is out of order (asked: <times>)"
      And the API server's log about the request says "Failed to make webhook authenticator request: "
      But Mallory, with a valid token, is still accepted

      Examples:
        | status | times |
        | 500    | 5     |
        | 429    | 5     |
        | 404    | 1     |
        | 503    | 1     |

    @W5
    Scenario: Mallory is refused when the webhook closes the connection
      Given Mallory holds a token that the webhook hangs up on
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "EOF"
      And the API server's log about the request says "Failed to make webhook authenticator request: "
      But Mallory, with a valid token, is still accepted

  Rule: The webhook must answer in the version that it is asked in

    @W1 @W4
    Scenario: Alice is accepted if the webhook is asked, and answers, in v1beta1
      Given an API server with a webhook that it asks in v1beta1
      And Alice holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked for the API server's own audience, in the API version "authentication.k8s.io/v1beta1"

    @W9
    Scenario Outline: Alice is refused if the webhook is asked in <asked> and answers in <answered>
      Given an API server with a webhook that it asks in <asked>
      And Alice holds a token that the webhook accepts in the version "authentication.k8s.io/<answered>"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "converting (<answered>.TokenReview) to (<asked>.TokenReview): unknown conversion"
      But Alice, with a valid token, is still accepted

      Examples:
        | asked   | answered |
        | v1beta1 | v1       |
        | v1      | v1beta1  |

  Rule: The webhook must answer with a review, even if it refuses

    @W10
    Scenario Outline: Mallory is refused if the webhook answers with <answer>
      Given Mallory holds a token that the webhook answers with <answer>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      And the API server's log about the request says "Failed to make webhook authenticator request: "
      But Mallory, with a valid token, is still accepted

      Examples:
        | answer                          | reason                                                         |
        | a Status in place of a review   | converting (v1.Status) to (v1.TokenReview): unknown conversion |
        | the status 401 and nothing else | the server has asked for the client to provide credentials     |

  Rule: The API server caches the webhook's answers, except errors

    @W6
    Scenario: Alice is still accepted after her token was revoked
      Given Alice holds a token that the webhook first accepts, and then refuses because "it was revoked"
      And she was once accepted with it
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked once

    @W6
    Scenario: Mallory is still refused after her token became valid
      Given Mallory holds a token that the webhook first refuses, and then accepts
      And she was once refused with it, because "invalid bearer token"
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Mallory, with a valid token, is still accepted

    @W6 @F9
    @requires:server_log
    Scenario: Alice is accepted after her token was refused with an error
      Given Alice holds a token that the webhook first refuses because "not yet", and then accepts
      And she was once refused with it, because "not yet"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the webhook was asked twice

  Rule: The API server does not ask a webhook that it does not trust

    @W8
    Scenario: Mallory is refused when an unknown CA signed the webhook's certificate
      Given an API server with a webhook that it does not trust
      And Mallory holds a token that the webhook accepts
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      And the API server's log about the request says "Failed to make webhook authenticator request: "
      But she is accepted as "mallory" by an API server with a webhook that it trusts
