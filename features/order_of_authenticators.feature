@order
Feature: Of several credentials, the first that is sound decides

  The API server asks one authenticator after the other: certificates first, then tokens.

  Rule: A sound certificate goes before a token

    @F12
    Scenario: Alice's certificate and the deployer's token come together
      Given Alice holds a client certificate with the organization "platform-team"
      And she also presents a service account token
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team" and "system:authenticated"
      But she, with the service account token alone, is accepted as the service account

    @F12
    Scenario: Alice's certificate comes with a bad token
      Given Alice holds a client certificate
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: A bad certificate does not stand in a sound token's way

    @F13
    Scenario Outline: The deployer's token comes with a certificate that <flaw>
      Given the deployer holds a client certificate that <flaw>
      And it also presents a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And it is in the groups of service accounts and in no other

      Examples:
        | flaw                        |
        | was signed by an unknown CA |
        | expired an hour ago         |

  Rule: When none is sound, the log says what is wrong with each, and the answer nothing

    @F1 @F2
    Scenario: Mallory's certificate and token are both bad
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority" and because "invalid bearer token"
      And the answer gives nothing away
      But Alice, whose certificate is sound, is still accepted

  Rule: The audit event repeats the answer, and names what was tried only where the answer could not be written as wished

    @F3
    Scenario: Mallory is refused in a format that she reads
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the audit event says "Unauthorized"
      But Alice, whose certificate is sound, is still accepted

    @F3
    Scenario: Mallory is refused in a format that she did not wish
      Given Mallory holds a client certificate that was signed by an unknown CA
      And she also presents a made-up token
      When she asks the API server who she is, in a format that it does not write
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the audit event says "Authentication failed, attempted: bearer, x509"
      But Alice, whose certificate is sound, is still accepted

    @F3
    Scenario: Bob presents nothing where that is refused
      Given an API server with anonymous requests switched off
      And Bob holds no credential
      When he asks the API server who he is, in a format that it does not write
      Then he is refused as unauthenticated with nothing logged, because "Authentication failed, no credentials provided"
      But Alice, with a client certificate, is accepted

  Rule: Of those who know a token, the webhook comes last, after files, Secrets and issuers

    @F11
    Scenario: Mallory's token is known to the webhook alone
      Given an API server with tokens of every kind
      And Mallory holds a token that only the webhook knows
      When she asks the API server who she is
      Then she is accepted as "vouched-for-by-the-webhook"

    @F11
    Scenario: Carol's token stands in a file, too
      Given an API server with tokens of every kind
      And Carol holds a token that a file and the webhook know
      When she asks the API server who she is
      Then she is accepted as "carol"

    @F11
    Scenario: The robot's token has a Secret, too
      Given an API server with tokens of every kind
      And the robot holds a token that a Secret and the webhook know
      When it asks the API server who it is
      Then it is accepted as the holder of the bootstrap token

    @F11
    Scenario: Alice's token is an issuer's, too
      Given an API server with tokens of every kind
      And Alice holds a token that an issuer and the webhook know
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
