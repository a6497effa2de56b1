@structured-configuration @oidc
Feature: GitHub Actions: tokens of jobs in workflows

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the subject, in the group of the repository

    @TS1
    Scenario: The robot is the branch of its repository
      Given the robot holds a token of the issuer "github-actions"
      When it asks the API server who it is
      Then it is accepted as "github-actions:repo:acme/app:ref:refs/heads/main"
      And it is in exactly the groups "github-actions:acme/app" and "system:authenticated"
      And it has no UID

    @TS1 @O22
    @requires:jwt_credential_id
    Scenario: The id of the job's token becomes the credential's id
      Given the robot holds a token of the issuer "github-actions"
      When it asks the API server who it is
      Then it is accepted as "github-actions:repo:acme/app:ref:refs/heads/main"
      And it has the extra "authentication.kubernetes.io/credential-id" with "JTI=6f4e1d20-8b7c-4a35-9e02-d1c5b8a7f643"

    @TS4
    Scenario Outline: The robot is another user <when>
      Given the robot holds a token of the issuer "github-actions" with the claim
        | sub | <sub> |
      When it asks the API server who it is
      Then it is accepted as "github-actions:<sub>"

      Examples:
        | when                                    | sub                                       |
        | once its job names an environment       | repo:acme/app:environment:production      |
        | in an environment with a colon          | repo:acme/app:environment:eu%3Aproduction |
        | in a repository with ids in its subject | repo:acme@65/app@74:ref:refs/heads/main   |

  Rule: Every repository has the same issuer, so that a rule has to name one's own

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A token of GitHub Actions is refused for <job>
      Given the robot holds a token of the issuer "github-actions" with the claims
        | <claim> | <value> |
        | sub     | <sub>   |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "failed: <reason>"
      But the robot, with a valid token, is still accepted

      Examples:
        | job                           | claim               | value               | sub                               | reason                        |
        | a repository of another owner | repository_owner_id | "66"                | repo:evil/app:ref:refs/heads/main | only for repositories of acme |
        | a pull request                | event_name          | pull_request        | repo:acme/app:pull_request        | not for pull requests         |
        | a pull request of a fork      | event_name          | pull_request_target | repo:acme/app:ref:refs/heads/main | not for pull requests         |

    @TS4
    Scenario: Mallory's repository is accepted if no rule names the owner
      Given Mallory holds a token of the issuer "github-without-owner" with the claims
        | repository_owner_id | "66"                              |
        | repository          | evil/app                          |
        | sub                 | repo:evil/app:ref:refs/heads/main |
      When she asks the API server who she is
      Then she is accepted as "github-actions:repo:evil/app:ref:refs/heads/main"
      And she is in exactly the groups "github-actions:evil/app" and "system:authenticated"

    @TS4
    Scenario: Mallory's repository is accepted as that of a former owner if a rule names the owner and not the id
      Given Mallory holds a token of the issuer "github-by-owner-name" with the claim
        | repository_owner_id | "4711" |
      When she asks the API server who she is
      Then she is accepted as "github-actions:repo:acme/app:ref:refs/heads/main"

    @TS3
    @requires:server_log
    Scenario: The id of an owner is a text, and not a number
      Given the robot holds a token of the issuer "github-actions" with the claim
        | repository_owner_id | 65 |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "failed: only for repositories of acme"
      But the robot, with a valid token, is still accepted
