@structured-configuration @oidc
Feature: CircleCI: tokens of jobs

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the project, whose claims have dots and slashes in their names

    @TS1
    Scenario: The robot is its project, in the group of its context
      Given the robot holds a token of the issuer "circleci"
      When it asks the API server who it is
      Then it is accepted as "circleci:7c3e9a41-d25b-4860-b1f7-5e8a06c4d932"
      And it is in exactly the groups "circleci:context:b90d3f62-18c7-4ea5-96b4-c7d20e5f8a31" and "system:authenticated"
      And it has no UID
      And it has no extra

    @TS4
    Scenario: The robot is another user for each committer if the user is the subject
      Given the robot holds a token of the issuer "circleci-by-sub" with the claim
        | sub | org/0d8f2c5e/project/7c3e9a41/user/5a1c |
      When it asks the API server who it is
      Then it is accepted as "circleci:org/0d8f2c5e/project/7c3e9a41/user/5a1c"

  Rule: Builds of forks, of other branches and with a shell are refused

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A token of CircleCI is refused for <job>
      Given the robot holds a token of the issuer "circleci" with the claim
        | oidc.circleci.com/<claim> | <value> |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because '<reason>'
      But the robot, with a valid token, is still accepted

      Examples:
        | job                         | claim      | value                  | reason                                                  |
        | a build of a fork           | vcs-origin | github.com/mallory/app | failed: only for the repository acme/app, not for forks |
        | a build of a custom webhook | vcs-origin |                        | failed: only for the repository acme/app, not for forks |
        | another branch              | vcs-ref    | refs/heads/a           | failed: only for the branch main                        |
        | a job with a shell          | ssh-rerun  | true                   | failed: not for jobs with a shell                       |

  Rule: Each organization has an issuer and an audience of its own

    @TS2 @O28
    @requires:server_log
    Scenario: A job of another organization is refused
      Given the robot holds a token of the issuer "circleci" with the claims
        | iss | https://oidc.circleci.com/org/e61b4d07-93fa-4c28-8d50-1f2b7a9c6e83 |
        | aud | e61b4d07-93fa-4c28-8d50-1f2b7a9c6e83                               |
      When it asks the API server who it is
      Then it is refused as unauthenticated, with no other error than "invalid bearer token"
      But the robot, with a valid token, is still accepted

    @TS2 @O5
    @requires:server_log
    Scenario: A job that asks for another audience is refused
      Given the robot holds a token of the issuer "circleci" with the claim
        | aud | https://kubernetes.example.com |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because 'expected audience "0d8f2c5e-6b1a-4f97-8e34-a2c7d9b05f16" got ["https://kubernetes.example.com"]'
      But the robot, with a valid token, is still accepted
