Feature: What people may do in our clusters

  Rule: A team works in its own namespace

    Scenario: Team A deploys
      Given Erin has a token of "https://login.example.com" with
        | sub            | 4711-erin        |
        | email          | erin@example.com |
        | email_verified | true             |
        | hd             | example.com      |
        | groups         | ["team-a"]       |
      When she asks the API server who she is
      Then she may "create deployments.apps in team-a", because "team-a-deploys"
      And she may
        | get pods/log in team-a |
        | list pods in team-a    |
      And she may not
        | create deployments.apps in default |
        | list secrets in team-a             |
        | impersonate users                  |

    Scenario: Team B does not deploy there
      Given Max has a certificate with the common name "max" and the organizations "sso:team-b" and "ops"
      When he asks the API server who he is
      Then he is accepted as "max"
      And he is in the groups "sso:team-b" and "ops"
      And he may not "create deployments.apps in team-a"

  Rule: A pipeline may deploy, and look at nothing else

    Scenario: The deployer deploys
      Given the deployer is the service account "ci/deployer"
      When it asks the API server who it is
      Then it is accepted as "system:serviceaccount:ci:deployer"
      And it may "create deployments.apps in team-a"
      And it may not "get secrets in ci"

  Rule: A certificate without groups opens nothing

    Scenario: An old certificate is left
      Given Nina has a certificate with the common name "nina"
      When she asks the API server who she is
      Then she is in exactly the group "system:authenticated"
      And she may not "get /metrics"
      And she may "get /version"
