@counts
Feature: The API server's metrics record authentication attempts and their results

  Rule: Attempts are counted by result, and requests by a label that hides the user name

    @F4
    Scenario Outline: <person> authenticates with a certificate for "<name>"
      Given an API server with everything allowed to everybody
      And <person> holds a client certificate for "<name>"
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then she is accepted as "<name>"
      And at least one more attempt is counted as "success"
      And at least one more request is counted for "<counted>"
      And no request is counted for "<name>"

      Examples:
        | person | name              | counted  |
        | Alice  | alice             | other    |
        | Carol  | carol@example.com | email_id |

    @F4
    Scenario: Bob sends no credential
      Given an API server with everything allowed to everybody
      And Bob holds no credential
      And it is noted what the API server has counted so far
      When he asks the API server who he is
      Then he is refused as unauthenticated with nothing logged, because "Unauthorized"
      And at least one more attempt is counted as "failure"
      But Alice, with a client certificate, is accepted

    @F4
    Scenario: Mallory sends a bad token
      Given an API server with everything allowed to everybody
      And Mallory presents a made-up token
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "invalid bearer token"
      And at least one more attempt is counted as "error"
      But the deployer, whose token is sound, is still accepted

  Rule: A token is verified once and then cached, and metrics count both

    @F10
    Scenario: Alice uses one token twice
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "es256"
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then Alice, who asks the same, is accepted as "alice"
      And at least one more token is looked for in the cache as a "miss"
      And at least one more token is looked at, with the result "ok"
      And at least one more token is looked for in the cache as a "hit"

    @F10
    Scenario: Mallory's token fails verification
      Given an API server with issuers of every kind
      And Mallory holds a token of the issuer "es256" that was changed after it was signed
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed to verify signature"
      And at least one more token is looked at, with the result "error"
      But Alice, whose token is sound, is still accepted

  Rule: Metrics are kept per issuer

    @G35
    Scenario: The verification of Alice's token is timed
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "unshared"
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then Alice, who asks the same, is accepted as "unshared:alice"
      And one more token of the issuer "unshared" is timed as a success, and one more only

    @G35
    @requires:server_log
    Scenario: The failed verification of Mallory's forged token is timed
      Given an API server with issuers of every kind
      And Mallory holds a token of the issuer "discovery-url" that was changed after it was signed
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And one more token of the issuer "discovery-url" is timed as a failure, and one more only
      But Alice, whose token is sound, is still accepted

    @G34
    Scenario: The API server fetches the keys of an issuer
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "expressions"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the API server tells when it got the keys of the issuer "expressions", and which

    @G34
    @requires:server_log
    Scenario: The API server fails to fetch the keys of an issuer
      Given an API server with issuers of every kind
      And Alice holds a token of the issuer "unreachable-keys"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed to verify signature"
      And the API server tells when it did not get the keys of the issuer "unreachable-keys"
      But Alice, with a token of the issuer "es256", is accepted as "alice"
