@bootstrap-token @bearer
Feature: A bootstrap token is as good as its Secret

  Background:
    Given an API server with tokens of every kind

  Rule: Who holds the token may join, in the groups that its Secret names

    @T1
    Scenario: The robot joins
      Given the robot holds a bootstrap token
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token
      And it is in exactly the groups "system:bootstrappers" and "system:authenticated"
      And it has no UID

    @T1
    Scenario: The robot joins in a group of its own
      Given the robot holds a bootstrap token with the groups "system:bootstrappers:workers" and "system:bootstrappers:east"
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token
      And it is in exactly the groups "system:bootstrappers", "system:bootstrappers:workers", "system:bootstrappers:east" and "system:authenticated"

  Rule: Every flaw gets the same refusal, and a line of its own in the log

    @T3
    Scenario Outline: Mallory's bootstrap token <flaw>
      Given Mallory holds a bootstrap token that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      And the API server logs of the token that "<line>"
      But the robot, whose token is sound, is still accepted

      Examples:
        | flaw                                      | line                                                       |
        | has no Secret                             | to match bootstrap bearer token                            |
        | has another id than its Secret says       | has invalid value for key token-id.                        |
        | has a Secret of another type              | has invalid type, expected bootstrap.kubernetes.io/token   |
        | has a Secret that is about to go          | is deleted and awaiting removal                            |
        | expired an hour ago                       | Expired bootstrap token in kube-system/                    |
        | expires at a time that nobody can read    | Unparseable expiration time (tomorrow)                     |
        | is not meant for authentication           | not marked usage-bootstrap-authentication=true             |
        | brings the group of administrators along  | has invalid value for key auth-extra-groups: bootstrap group |

  Rule: A secret that was guessed is not repeated in the log

    @T4 @T3
    Scenario: Mallory guesses the secret
      Given Mallory holds a bootstrap token that has another secret than its Secret
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      And the API server logs of the token that "has invalid value for key token-secret."
      And the secret that was presented stands nowhere in the API server's log
      But the robot, whose token is sound, is still accepted

  Rule: What does not look like a bootstrap token is none

    @T2
    Scenario: Mallory's bootstrap token is written in capitals
      Given Mallory holds a bootstrap token that is written in capitals
      When she asks the API server who she is
      Then she is refused as unauthenticated, only because "invalid bearer token"
      But the robot, whose token is sound, is still accepted

  Rule: A token that was accepted is remembered for ten seconds

    @F9
    Scenario: The Secret of Carol's bootstrap token is deleted
      Given Carol holds a bootstrap token
      And she was accepted with her bootstrap token
      When the Secret of her bootstrap token is deleted
      Then she, who asks again, is accepted as the holder of the bootstrap token
      But she is soon refused as unauthenticated, because "invalid bearer token"
