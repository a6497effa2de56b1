@bearer @external-certificate
Feature: The API server logs the reason of every refusal

  All unauthenticated requests get the same response; only the API server's log tells the reasons apart.

  Rule: Each of many requests at the same time has its own reason in the log

    @F1 @F2
    Scenario: Fifty people are refused at the same time
      Given fifty people hold credentials, each with a flaw of its own
      When all of them ask the API server at the same time who they are
      Then each of them is refused as unauthenticated, and the log names the flaw of their own credential
      And the responses do not reveal the reason
      But with sound credentials, each of them is accepted under their own name
