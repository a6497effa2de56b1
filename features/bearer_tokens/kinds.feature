@bearer
Feature: A token is a credential only where its kind is configured

  Rule: An API server refuses tokens of kinds that it does not accept, although another one on the same store accepts them

    @B8
    Scenario Outline: Alice is refused with <token> by an API server that knows none of the kind
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Alice holds <token>
      And an API server with the configuration file
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "invalid bearer token"
      But Alice is accepted as "alice" by an API server with a token file, bootstrap tokens, a token webhook and an issuer

      Examples:
        | token                            |
        | a token from the token file      |
        | a token that the webhook accepts |

    @B8
    Scenario: The robot is refused with a bootstrap token where these are switched off
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And the robot holds a bootstrap token
      And it was once accepted with it
      And an API server with the configuration file
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "invalid bearer token"
      But Alice, with a client certificate, is accepted
