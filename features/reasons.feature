@bearer @external-certificate
Feature: Every refusal has a reason of its own

  To whoever asks, all refused credentials look the same; only the API server's log tells them apart.

  Rule: However many are refused at once, each refusal is bound to its own reason

    @F1 @F2
    Scenario: Fifty people are refused at the same time
      Given fifty people whose credentials are flawed, each in a way of their own
      When all of them ask the API server at once who they are
      Then each of them is refused as unauthenticated, for the flaw of their own credential
      And to all of them the API server said the same
      But fifty people whose credentials are sound are accepted as themselves
