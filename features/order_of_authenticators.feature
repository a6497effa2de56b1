@order
Feature: The first valid credential of a request decides who the caller is

  The API server tries one authenticator after the other: certificates first, then tokens.

  Rule: A valid certificate takes precedence over a token

    @F12
    Scenario: Alice sends her certificate and the deployer's token, and is accepted as Alice
      Given Alice holds a client certificate with the organization "platform-team"
      And she also presents a service account token
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team" and "system:authenticated"
      But she, with the service account token alone, is accepted as the service account

    @F12
    Scenario: Alice is accepted although she sends an invalid token with her certificate
      Given Alice holds a client certificate
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: A valid token is accepted although the certificate is invalid

    @F13
    Scenario Outline: The deployer's token is accepted with a certificate that <flaw>
      Given the deployer holds a client certificate that <flaw>
      And it also presents a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other

      Examples:
        | flaw                        |
        | was signed by an unknown CA |
        | expired an hour ago         |

  Rule: If no credential is valid, the log has a reason for each, and the response has none

    @F1 @F2
    Scenario: Mallory is refused with an invalid certificate and an invalid token
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      And she is refused as unauthenticated, because "invalid bearer token"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

  Rule: The audit event lists the authenticators that were tried only if the client wants an unsupported response format

    @F3
    Scenario: Mallory is refused in a supported format, and the audit event only repeats the response
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the audit event says "Unauthorized"
      But Alice, with a valid certificate, is still accepted

    @F3
    Scenario: Mallory asks for an unsupported format, and the audit event lists what was tried
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is, in a response format that it does not support
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the audit event says "Authentication failed, attempted: bearer, x509"
      But Alice, with a valid certificate, is still accepted

    @F3
    Scenario: Bob asks for an unsupported format, and the audit event says that he sent no credential
      Given an API server with anonymous requests switched off
      And Bob holds no credential
      When he asks the API server who he is, in a response format that it does not support
      Then he is refused as unauthenticated without an error in the log, because "Authentication failed, no credentials provided"
      But Alice, with a client certificate, is accepted

  Rule: The webhook is asked about a token last, after the token file, Secrets and issuers

    @F11
    Scenario: The webhook decides about a token that only the webhook knows
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Mallory holds a token that only the webhook knows
      When she asks the API server who she is
      Then she is accepted as "vouched-for-by-the-webhook"

    @F11
    Scenario: The token file decides about a token that the webhook knows, too
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Carol holds a token that a file and the webhook know
      When she asks the API server who she is
      Then she is accepted as "carol"

    @F11
    Scenario: The Secret decides about a bootstrap token that the webhook knows, too
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And the robot holds a token that a Secret and the webhook know
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token

    @F11
    Scenario: The issuer decides about a token that the webhook knows, too
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Alice holds a token that an issuer and the webhook know
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
