@bearer
Feature: A token for another audience is refused by the authenticator that knows it

  Each authenticator compares the audience itself. So the comparison after all of them, which has words of its own, never has anything to
  refuse.

  Background:
    Given an API server with a token file, bootstrap tokens, a token webhook and an issuer

  Rule: No other check than the authenticator's refuses a foreign audience

    @F5
    Scenario Outline: Mallory is refused with <token>
      Given Mallory holds <token>
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than '<reason>'
      But Mallory, with a valid token, is still accepted

      Examples:
        | token                                                     | reason                                                                                                    |
        | a token of the issuer "es256" that is for another cluster | [invalid bearer token, oidc: verify token: oidc: expected audience "kubernetes" got ["another-cluster"]] |
        | a token that the webhook accepts for the audience "bank"  | invalid bearer token                                                                                      |

    @F5
    Scenario: The deployer is refused with a token for another audience
      Given the deployer holds a service account token for the audience "vault"
      When it asks the API server who it is
      Then it is refused as unauthenticated, with no other error than '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["https://kubernetes.default.svc"]]'
      But the deployer, with a valid token, is still accepted
