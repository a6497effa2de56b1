@structured-configuration @oidc
Feature: SPIFFE: JWT-SVIDs of workloads

  Background:
    Given an API server with the issuers of known providers

  Rule: The user is the SPIFFE ID of one trust domain

    @TS1
    Scenario: The robot is its SPIFFE ID, without groups
      Given the robot holds a token of the issuer "spiffe"
      When it asks the API server who it is
      Then it is accepted as "spiffe://example.org/ns/ci/sa/deployer"
      And it is in exactly the group "system:authenticated"
      And it has no UID
      And it has no extra

    @TS1
    Scenario: The robot is accepted although its token does not say when it was issued
      Given the robot holds a token of the issuer "spiffe" with the claims
        | iat |  |
        | nbf |  |
      When it asks the API server who it is
      Then it is accepted as "spiffe://example.org/ns/ci/sa/deployer"

  Rule: The issuer is an address, which a token may lack

    @TS2 @O28
    @requires:server_log
    Scenario Outline: A JWT-SVID is refused if it has <what> for an issuer
      Given the robot holds a token of the issuer "spiffe" with the claim
        | iss | <issuer> |
      When it asks the API server who it is
      Then it is refused as unauthenticated, with no other error than "invalid bearer token"
      But the robot, with a valid token, is still accepted

      Examples:
        | what             | issuer               |
        | nothing          |                      |
        | the trust domain | spiffe://example.org |

  Rule: A trust domain is checked with its slash

    @TS2 @G21
    @requires:server_log
    Scenario Outline: A workload of the trust domain <domain> is refused
      Given Mallory holds a token of the issuer "spiffe" with the claim
        | sub | spiffe://<domain>/ns/ci/sa/deployer |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed: only for the trust domain example.org"
      But the robot, with a valid token, is still accepted

      Examples:
        | domain           |
        | example.net      |
        | example.org.evil |

    @TS4
    Scenario: Mallory's trust domain is accepted if a rule lacks the slash
      Given Mallory holds a token of the issuer "spiffe-without-slash" with the claim
        | sub | spiffe://example.org.evil/ns/ci/sa/deployer |
      When she asks the API server who she is
      Then she is accepted as "spiffe://example.org.evil/ns/ci/sa/deployer"
