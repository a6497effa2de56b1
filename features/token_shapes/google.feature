@structured-configuration @oidc
Feature: Google: ID tokens of people of a Workspace

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the verified address in one Workspace, without groups

    @TS1
    Scenario: Alice is her address, without groups
      Given Alice holds a token of the issuer "google"
      When she asks the API server who she is
      Then she is accepted as "google:alice@example.com"
      And she is in exactly the group "system:authenticated"
      And she has no UID
      And she has no extra

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A token of Google is refused if it is of <account>
      Given Alice holds a token of the issuer "google" with the claim
        | <claim> | <value> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed: <reason>"
      But Alice, with a valid token, is still accepted

      Examples:
        | account                         | claim          | value       | reason                         |
        | another Workspace               | hd             | example.org | only for people of example.com |
        | an account without a Workspace  | hd             |             | only for people of example.com |
        | an address that nobody verified | email_verified | false       | the address is not verified    |

    @TS4
    Scenario: Mallory's own account is accepted if no rule names the Workspace
      Given Mallory holds a token of the issuer "google-without-domain" with the claims
        | hd    |                   |
        | email | mallory@gmail.com |
      When she asks the API server who she is
      Then she is accepted as "google:mallory@gmail.com"

  Rule: An account outside of any Workspace has no claim for it, and a verified address is a boolean

    @TS3 @G23
    @requires:server_log
    Scenario: Mallory's own account is refused by a rule that has no result for it
      Given Mallory holds a token of the issuer "google-any-domain" with the claim
        | hd |  |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "no such key: hd"
      But Alice, with a valid token, is still accepted

    @TS3 @O20
    @requires:server_log
    Scenario: Alice's verified address is refused if a rule demands the text "true"
      Given Alice holds a token of the issuer "google-verified-text"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "parse claim email_verified: json: cannot unmarshal bool into Go value of type string"
      But Alice, with a valid token, is still accepted
