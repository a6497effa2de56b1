@service-account
Feature: An external signer signs service account tokens

  The API server has no signing key then. It sends the claims to a signer, and asks it for the keys that verify them.

  Background:
    Given an API server with an external signer of service account tokens

  Rule: The signer's tokens are accepted, and its keys are published

    @S25
    Scenario: The deployer is accepted with a token of the signer
      Given the deployer holds a token that the signer signed
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other

    @S25 @requires:external_token_signer_keys
    Scenario: The deployer verifies its token with a published key
      Given the deployer holds a token that the signer signed
      When it asks the API server for the issuer's keys
      Then its token is verified by one of the keys
      And the signer's retired key is not among them

  Rule: A token lives no longer than the signer allows

    @S25
    Scenario: A token requested for 8 days lives for 12 hours
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer for 8 days
      Then the token lives for 43200 seconds
      And she is warned that "requested expiration of 691200 seconds shortened to 43200 seconds"

  Rule: The API server creates no token with a header that it does not expect

    @S25
    Scenario Outline: No token is created that the signer <does>
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer that the signer <does>
      Then no token is created, because '<reason>'
      But asking for a token of the deployer, she is given one

      Examples:
        | does                                | reason                                                                              |
        | signs with its retired key          | key used for signing JWT (kid: signer-retired) is excluded from OIDC discovery docs |
        | claims to sign with a shared secret | bad signing algorithm "HS256"                                                       |
        | gives another type                  | bad type                                                                            |
        | names no key for                    | key id missing                                                                      |
        | gives a further header              | json: unknown field "jku"                                                           |
        | leaves unsigned                     | empty signature returned                                                            |
        | cannot sign                         | code = Unavailable desc = the signer has no key at hand                             |

  Rule: A token is refused if the signer's keys do not verify it

    @S25
    Scenario Outline: A token is refused that the signer <does>
      Given the deployer holds a token that the signer <does>
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "<reason>"
      But the deployer, with a valid token, is still accepted

      Examples:
        | does                                      | reason                           |
        | signs with a key that it does not publish | invalid signature, no keys found |
        | signs with another key under the same id  | error in cryptographic primitive |
        | signs other claims                        | error in cryptographic primitive |
