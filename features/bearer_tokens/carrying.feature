@bearer
Feature: A bearer token counts only in an Authorization header of the right form

  Rule: The scheme is "Bearer", in capital or small letters

    @B3
    Scenario Outline: The deployer's token is accepted with the scheme <scheme>
      Given the deployer presents a service account token with the scheme "<scheme>"
      When it asks the API server who it is
      Then it is accepted as its service account

      Examples:
        | scheme |
        | Bearer |
        | bearer |
        | BEARER |

  Rule: A caller whose header has no token of this form is anonymous

    @B2
    @requires:anonymous_requests
    Scenario: The deployer is anonymous with a token and another scheme
      Given the deployer presents a service account token with the scheme "Basic"
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      But the deployer, with a valid token, is still accepted

    @B4
    @requires:anonymous_requests
    Scenario: The deployer is anonymous with an empty token
      Given the deployer presents an empty token
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      But the deployer, with a valid token, is still accepted

    @B5
    @requires:anonymous_requests
    Scenario: The deployer is anonymous, and warned, with a token after two spaces
      Given the deployer presents a service account token after two spaces
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
      And it is warned that "contains extra space before the bearer token, and is ignored"
      But the deployer, with a valid token, is still accepted

  Rule: Words after the token are ignored

    @B7
    Scenario: The deployer's token is accepted with another word after it
      Given the deployer presents a service account token followed by another word
      When it asks the API server who it is
      Then it is accepted as its service account

  Rule: A token that no authenticator knows is refused

    @B6 @F1
    Scenario: Mallory is refused with a made-up token
      Given Mallory presents a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      And the response does not reveal the reason
      But the deployer, with a valid token, is still accepted
