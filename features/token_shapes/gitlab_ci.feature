@structured-configuration @oidc
Feature: GitLab CI/CD: ID tokens of jobs

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the ref of a project, in the group of the project

    @TS1
    Scenario: The robot is the protected branch of its project
      Given the robot holds a token of the issuer "gitlab-ci"
      When it asks the API server who it is
      Then it is accepted as "gitlab-ci:acme/app:branch:main"
      And it is in exactly the groups "gitlab-ci:acme/app" and "system:authenticated"
      And it has no UID

    @TS1
    Scenario: The robot keeps its name if its project configures the subject
      Given the robot holds a token of the issuer "gitlab-ci" with the claim
        | sub | project_id:20:ref_protected:true |
      When it asks the API server who it is
      Then it is accepted as "gitlab-ci:acme/app:branch:main"

  Rule: Booleans are texts

    @TS2 @G21
    @requires:server_log
    Scenario: The robot is refused on a branch that is not protected
      Given the robot holds a token of the issuer "gitlab-ci" with the claim
        | ref_protected | "false" |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "failed: only for protected branches and tags"
      But the robot, with a valid token, is still accepted

    @TS3 @G21
    @requires:server_log
    Scenario: The robot is refused on a protected branch if a rule compares the text with a boolean
      Given the robot holds a token of the issuer "gitlab-boolean"
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "'claims.ref_protected == true' failed: only for protected branches and tags"
      But the robot, with a valid token, is still accepted

  Rule: Every project of an instance has the same issuer, so that a rule has to name one's own

    @TS2 @G21
    @requires:server_log
    Scenario: A token of GitLab is refused for a merge request of a fork
      Given Mallory holds a token of the issuer "gitlab-ci" with the claims
        | namespace_id   | "73"        |
        | namespace_path | mallory     |
        | project_path   | mallory/app |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed: only for projects of acme"
      But the robot, with a valid token, is still accepted

    @TS4
    Scenario: Mallory's project is accepted if a rule looks at the beginning of the namespace alone
      Given Mallory holds a token of the issuer "gitlab-beginning" with the claims
        | namespace_id   | "73"          |
        | namespace_path | acme-evil     |
        | project_path   | acme-evil/app |
      When she asks the API server who she is
      Then she is accepted as "gitlab-ci:acme-evil/app:branch:main"
      And she is in exactly the groups "gitlab-ci:acme-evil/app" and "system:authenticated"
