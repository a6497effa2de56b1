@static-credential @bearer
Feature: An API server can be given tokens in a file

  Background:
    Given an API server with tokens of every kind

  Rule: A row says who holds its token, in which groups

    @T5
    Scenario: Alice has a row with groups
      Given Alice holds the token that a file has for her
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"
      And she has the UID "static-alice"

    @T5
    Scenario: Bob has a row without groups
      Given Bob holds the token that a file has for him
      When he asks the API server who he is
      Then he is accepted as "bob"
      And he is in exactly the groups "system:authenticated"
      And he has the UID "static-bob"

  Rule: Of two rows with one token the last one counts, and a row without a token counts for nobody

    @T7
    Scenario: Carol's token stands in a second row, too
      Given Carol holds the token that a file has for her
      When she asks the API server who she is
      Then she is accepted as "caroline"
      And she has the UID "static-caroline"
      And the API server logs of its start that "duplicate token has been found in token file"
      And the API server logs of its start that "empty token has been found in token file"

  Rule: A row needs a token, a name and a UID

    @T6
    Scenario: A row has no UID
      When Dana starts an API server with a token file whose row has no UID
      Then the API server refuses to start, because "must have at least 3 columns (token, user name, user uid), found 2"
      But Alice, who holds the token that a file has for her, is accepted
