@bearer
Feature: A bearer token counts when it is carried as one

  Rule: The scheme's capitals do not matter

    @B3
    Scenario Outline: The deployer's token comes under the scheme <scheme>
      Given the deployer carries a service account token under the scheme "<scheme>"
      When it asks the API server who it is
      Then it is accepted as its service account

      Examples:
        | scheme |
        | Bearer |
        | bearer |
        | BEARER |

  Rule: What is carried otherwise is no token, and its holder is anonymous

    @B2
    @requires:anonymous_requests
    Scenario: The deployer's token comes under another scheme
      Given the deployer carries a service account token under the scheme "Basic"
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      But the deployer, whose token is sound, is still accepted

    @B4
    @requires:anonymous_requests
    Scenario: The deployer's token is empty
      Given the deployer carries an empty token
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      But the deployer, whose token is sound, is still accepted

    @B5
    @requires:anonymous_requests
    Scenario: The deployer's token comes after two spaces
      Given the deployer carries a service account token after two spaces
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      And it is warned that "contains extra space before the bearer token, and is ignored"
      But the deployer, whose token is sound, is still accepted

  Rule: What follows the token is not looked at

    @B7
    Scenario: The deployer's token is followed by another word
      Given the deployer carries a service account token followed by another word
      When it asks the API server who it is
      Then it is accepted as its service account

  Rule: A token must be known to somebody

    @B6 @F1
    Scenario: Mallory's token is made up
      Given Mallory carries a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      And the response does not reveal the reason
      But the deployer, whose token is sound, is still accepted
