Feature: Logging in to our clusters

  Rule: Employees are known by their addresses

    Scenario: An employee of team A logs in
      Given Erin has a token of "https://login.example.com" with
        | claim          | value            |
        | sub            | 4711-erin        |
        | email          | erin@example.com |
        | email_verified | true             |
        | hd             | example.com      |
        | groups         | ["team-a"]       |
      When she asks the API server who she is
      Then she is accepted as "erin@example.com"
      And she is in exactly the groups "sso:team-a" and "system:authenticated"
      And she has the UID "4711-erin"
      And she has the extra "example.com/tenant" with "example.com"

    Scenario Outline: Somebody <with> is refused
      Given Mallory has a token of "https://login.example.com" with
        | sub            | mallory             |
        | email          | mallory@example.com |
        | email_verified | <verified>          |
        | hd             | <domain>            |
        | exp            | <expires>           |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"

      Examples:
        | with                             | verified | domain       | expires      | reason                                 |
        | of another company               | true     | example.org  | in 5 minutes | only employees of example.com log in   |
        | whose address was never verified | false    | example.com  | in 5 minutes | email not verified                     |
        | whose session is over            | true     | example.com  | 1 hour ago   | token is expired                       |

    Scenario: A token like Google's is understood
      Given Gina has a token of "https://login.example.com" like "google" with
        | email | gina@example.com |
        | hd    | example.com      |
      When she asks the API server who she is
      Then she is accepted as "gina@example.com"
      And she is in exactly the group "system:authenticated"

  Rule: CI has names of its own

    Scenario: Jenkins logs in
      Given Jenkins has a token of "https://ci.example.com"
      When it asks the API server who it is
      Then it is accepted as "ci:Jenkins"
      And it has no UID
