@service-account
Feature: Service account tokens can be verified with published keys

  Rule: The API server tells its service accounts, and nobody without a credential, who issues their tokens and which keys verify them

    @S24
    Scenario: The deployer reads who issues its token
      Given the deployer holds a service account token
      When it asks the API server for the issuer's metadata
      Then it is told the issuer of its own token
      And the answer may be cached for an hour
      But Bob, who sends the same request without a credential, is refused as forbidden, because "system:anonymous"

    @S24
    Scenario: The deployer verifies its token with a published key
      Given the deployer holds a service account token
      When it asks the API server for the issuer's keys
      Then its token is verified by one of the keys
      And the answer may be cached for an hour
      But Bob, who sends the same request without a credential, is refused as forbidden, because "system:anonymous"
