@static-credential @bearer
Feature: An API server can be given tokens in a file

  Background:
    Given an API server with a token file, bootstrap tokens, a token webhook and an issuer

  Rule: A row of the file names the token's holder and the groups

    @T5
    Scenario: Alice has the groups of her row
      Given Alice holds a token from the token file
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"
      And she has the UID "static-alice"

    @T5
    Scenario: Bob has no groups, like his row
      Given Bob holds a token from the token file
      When he asks the API server who he is
      Then he is accepted as "bob"
      And he is in exactly the groups "system:authenticated"
      And he has the UID "static-bob"

  Rule: The last row with a token decides, and a row without a token is ignored

    @T7
    Scenario: Carol is accepted as the user in the second row with her token
      Given Carol holds a token from the token file
      When she asks the API server who she is
      Then she is accepted as "caroline"
      And she has the UID "static-caroline"
      And the API server's log about its start says "duplicate token has been found in token file"
      And the API server's log about its start says "empty token has been found in token file"

  Rule: A row needs a token, a name and a UID

    @T6
    Scenario: An API server refuses to start with a row without a UID
      Given Alice holds a token from the token file
      When Dana starts an API server with a token file whose row has no UID
      Then the API server refuses to start, because "must have at least 3 columns (token, user name, user uid), found 2"
      But Alice, who asks the API server who she is, is accepted as "alice"
