@structured-configuration @oidc
Feature: Buildkite: tokens of jobs

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the pipeline of one organization

    @TS1
    Scenario: The robot is its pipeline, in the group of its organization
      Given the robot holds a token of the issuer "buildkite"
      When it asks the API server who it is
      Then it is accepted as "buildkite:acme/app"
      And it is in exactly the groups "buildkite:acme" and "system:authenticated"
      And it has no UID
      And it has no extra

    @TS1
    Scenario: The robot is accepted although its step has no key
      Given the robot holds a token of the issuer "buildkite" with the claim
        | step_key | null |
      When it asks the API server who it is
      Then it is accepted as "buildkite:acme/app"

  Rule: Every organization has the same issuer, so that a rule has to name one's own

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A token of Buildkite is refused if its <claim> is <value>
      Given the robot holds a token of the issuer "buildkite" with the claim
        | <claim> | <value> |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because '<reason>'
      But the robot, with a valid token, is still accepted

      Examples:
        | claim             | value     | reason                                                                         |
        | organization_slug | evil      | required claim organization_slug value does not match. Got = evil, want = acme |
        | build_branch      | feature/a | failed: only for builds of the branch main                                     |

    @TS4
    Scenario: Mallory's pipeline is accepted if no rule names the organization
      Given Mallory holds a token of the issuer "buildkite-without-organization" with the claim
        | organization_slug | evil |
      When she asks the API server who she is
      Then she is accepted as "buildkite:evil/app"
      And she is in exactly the groups "buildkite:evil" and "system:authenticated"

  Rule: The subject contains the commit, and the number of the build is no text

    @TS4
    Scenario: The robot is a new user with each commit if the user is the subject
      Given the robot holds a token of the issuer "buildkite-by-sub" with the claim
        | sub | organization:acme:pipeline:app:ref:refs/heads/main:commit:0a1b2c3d:step:deploy |
      When it asks the API server who it is
      Then it is accepted as "buildkite:organization:acme:pipeline:app:ref:refs/heads/main:commit:0a1b2c3d:step:deploy"

    @TS3 @G23
    @requires:server_log
    Scenario: The robot is refused if an expression adds the number of its build to a text
      Given the robot holds a token of the issuer "buildkite-build-number"
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "no such overload"
      But the robot, with a valid token, is still accepted
