@bootstrap-token @bearer
Feature: The Secret of a bootstrap token decides whether it is valid

  Background:
    Given an API server with a token file, bootstrap tokens, a token webhook and an issuer

  Rule: A bootstrap token's user is in the group system:bootstrappers, and in those of the Secret

    @T1
    Scenario: The robot is accepted with a bootstrap token
      Given the robot holds a bootstrap token
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token
      And it is in exactly the groups "system:bootstrappers" and "system:authenticated"
      And it has no UID

    @T1
    Scenario: The robot is in the groups that the Secret names
      Given the robot holds a bootstrap token with the groups "system:bootstrappers:workers" and "system:bootstrappers:east"
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token
      And it is in exactly the groups "system:bootstrappers", "system:bootstrappers:workers", "system:bootstrappers:east" and "system:authenticated"

  Rule: Only the log says why a bootstrap token is refused

    @T3
    Scenario Outline: A bootstrap token that <flaw> is refused
      Given Mallory holds a bootstrap token that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      And the API server's log about the token says "<line>"
      But the robot, with a valid token, is still accepted

      Examples:
        | flaw                               | line                                                         |
        | has no Secret                      | to match bootstrap bearer token                              |
        | has another id than its Secret     | has invalid value for key token-id.                          |
        | has a Secret of another type       | has invalid type, expected bootstrap.kubernetes.io/token     |
        | has a Secret that is being deleted | is deleted and awaiting removal                              |
        | expired an hour ago                | Expired bootstrap token in kube-system/                      |
        | has an unreadable expiration time  | Unparseable expiration time (tomorrow)                       |
        | is not meant for authentication    | not marked usage-bootstrap-authentication=true               |
        | has the group of administrators    | has invalid value for key auth-extra-groups: bootstrap group |

  Rule: The log does not repeat a guessed secret

    @T4 @T3
    Scenario: Mallory guesses the secret of a bootstrap token, and is refused
      Given Mallory holds a bootstrap token that has another secret than its Secret
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      And the API server's log about the token says "has invalid value for key token-secret."
      And the API server's log does not contain the secret that was presented
      But the robot, with a valid token, is still accepted

  Rule: A bootstrap token is written in lower case

    @T2
    Scenario: A bootstrap token in capitals is refused
      Given Mallory holds a bootstrap token that is written in capitals
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But the robot, with a valid token, is still accepted

  Rule: The API server remembers an accepted token for ten seconds

    @F9
    Scenario: Carol's bootstrap token is refused soon after its Secret is deleted
      Given Carol holds a bootstrap token
      And she was once accepted with it
      When the Secret of her bootstrap token is deleted
      Then she, who asks the API server again who she is, is accepted as the holder of the bootstrap token
      But she is soon refused as unauthenticated, because "invalid bearer token"
