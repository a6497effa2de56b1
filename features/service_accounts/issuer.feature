@service-account
Feature: Anybody whom a service account trusts can verify its tokens

  Rule: The API server publishes who issues the tokens, and the keys that verify them

    @S24
    Scenario: The deployer learns who issues its tokens
      Given the deployer holds a service account token
      When it asks who issues service account tokens
      Then it is told the issuer of its own token
      And the answer may be kept for an hour
      But Bob, with no credential, is not told

    @S24
    Scenario: The deployer learns which keys verify its tokens
      Given the deployer holds a service account token
      When it asks for the keys that verify service account tokens
      Then its token is verified by one of the keys
      And the answer may be kept for an hour
      But Bob, with no credential, is not told
