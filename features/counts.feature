@counts
Feature: The API server's metrics record authentication attempts and their results

  A scenario first records the current metric values, and then compares them with the new ones. Other scenarios send requests
  at the same time, so most counts grow by at least one.

  Rule: The API server counts attempts by result, and accepted requests by the kind of user name

    Only a few user names are labels of their own; all others are counted together.

    @F4
    Scenario Outline: A request of the user "<name>" is counted under the label "<label>"
      Given an API server with the AlwaysAllow authorizer
      And <person> holds a client certificate for "<name>"
      And the current metric values are recorded
      When she asks the API server who she is
      Then she is accepted as "<name>"
      And the metrics count at least one more authentication attempt with the result "success"
      And the metrics count at least one more authenticated request with the username label "<label>"
      And the metrics count no authenticated request with the username label "<name>"

      Examples:
        | person | name              | label    |
        | Alice  | alice             | other    |
        | Carol  | carol@example.com | email_id |

    @F4
    Scenario: A refused request without a credential is counted as a failure
      Given an API server with the AlwaysAllow authorizer
      And Bob holds no credential
      And the current metric values are recorded
      When he asks the API server who he is
      Then he is refused as unauthenticated without an error in the log, because "Unauthorized"
      And the metrics count at least one more authentication attempt with the result "failure"
      But Alice, with a client certificate, is accepted

    @F4
    Scenario: A request with an invalid token is counted as an error
      Given an API server with the AlwaysAllow authorizer
      And Mallory presents a made-up token
      And the current metric values are recorded
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the metrics count at least one more authentication attempt with the result "error"
      But the deployer, with a valid token, is still accepted

  Rule: The API server verifies a token once and caches the result, and counts verifications and cache lookups

    @F10
    Scenario: Alice's second request with the same token is a cache hit
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "es256"
      And the current metric values are recorded
      When she asks the API server who she is
      Then Alice, who asks the API server who she is, is accepted as "alice"
      And the metrics count at least one more token cache lookup with the result "miss"
      And the metrics count at least one more token verification with the result "ok"
      And the metrics count at least one more token cache lookup with the result "hit"

    @F10
    Scenario: The verification of Mallory's modified token is counted as an error
      Given an API server with many differently configured issuers
      And Mallory holds a token of the issuer "es256" that was changed after it was signed
      And the current metric values are recorded
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed to verify signature"
      And the metrics count at least one more token verification with the result "error"
      But Alice, with a valid token, is still accepted

  Rule: The API server times the verification of tokens, separately for each issuer and not for cache hits

    No other scenario counts on these two issuers, so their metrics grow by exactly one. The API server remembers a token for ten seconds:
    the second request follows the first at once.

    @G35
    Scenario: Two requests with one token are timed as one successful verification
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "unshared"
      And the current metric values are recorded
      When she asks the API server twice who she is, over one connection
      Then the metrics time exactly one more token verification of the issuer "unshared", with the result "success"

    @G35
    @requires:server_log
    Scenario: The verification of Mallory's modified token is timed as a failure
      Given an API server with many differently configured issuers
      And Mallory holds a token of the issuer "discovery-url" that was changed after it was signed
      And the current metric values are recorded
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And the metrics time exactly one more token verification of the issuer "discovery-url", with the result "failure"
      But Alice, with a valid token, is still accepted

  Rule: The metrics show whether the API server could fetch an issuer's keys

    @G34
    Scenario: The API server has fetched the keys of an issuer
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "expressions"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the key metrics of the issuer "expressions" show a successful fetch, and the hash of its keys

    @G34
    @requires:server_log
    Scenario: The API server cannot fetch the keys of an issuer
      Given an API server with many differently configured issuers
      And Alice holds a token of the issuer "unreachable-keys"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed to verify signature"
      And the key metrics of the issuer "unreachable-keys" show a failed fetch, and no keys
      But Alice, with a token of the issuer "es256", is accepted as "alice"
