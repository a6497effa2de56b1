@review
Feature: A self-review tells callers who they are to the API server

  Rule: A self-review has the user's name, UID, groups and extra, and nothing else

    @R1
    Scenario: Alice is told everything that the token file says of her
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Alice holds a token from the token file
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "static-alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"
      And she has no extra

    @R1
    Scenario: Bob, of whom the token file says less, is told less
      Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
      And Bob holds a token from the token file
      When he asks the API server who he is
      Then he is accepted as "bob"
      And he has the UID "static-bob"
      And he is in exactly the group "system:authenticated"
      And he has no extra

  Rule: A caller with an invalid credential is not told why

    @R2 @F1
    @requires:server_log
    Scenario: Mallory's expired certificate is refused, and the response is the same as ever
      Given Mallory holds a client certificate that expired an hour ago
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate has expired or is not yet valid"
      And the response does not reveal the reason
      But Alice, with a valid certificate, is still accepted

  Rule: Older API servers also serve the older versions of self-reviews, where those are switched on

    @R1
    Scenario Outline: Alice is told who she is <where>
      Given an API server with self-reviews in older versions alone
      And Alice holds a client certificate with the organizations "platform-team" and "on-call"
      When she asks the API server who she is, <where>
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

      Examples:
        | where                       |
        | in the API version v1beta1  |
        | in the API version v1alpha1 |

    @R3
    Scenario: Alice is told that there are no self-reviews in v1
      Given an API server with self-reviews in older versions alone
      And Alice holds a client certificate
      When she asks the API server who she is, in the API version v1
      Then the request is refused as bad, because "the server could not find the requested resource"
      But she is accepted as "alice" by an API server with the configuration file

  Rule: The command-line client asks in older versions if the newest is not served, and tells no more than that it may not ask

    @R3
    Scenario: A user without the right to ask is told of both possible causes
      Given Alice is a support engineer
      And Alice may impersonate the user "system:anonymous"
      And she impersonates the user "system:anonymous"
      And she keeps the credential in a kubeconfig
      When she asks the API server who she is through the command-line client
      Then the client fails, because "the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it"
      But with a client certificate, the client is accepted as "alice"

    @R3
    @requires:self_reviews_in_v1_alone
    Scenario: A user of an API server without self-reviews is told that there are none
      Given an API server with self-reviews in older versions alone
      And Alice holds a client certificate
      And she keeps the credential in a kubeconfig
      When she asks the API server who she is through the command-line client
      Then the client fails, because "the selfsubjectreviews API is not enabled in the cluster"
      But with the main API server's address, the client is accepted as "alice"

    @R3
    @requires:self_reviews_in_beta
    Scenario: The command-line client falls back to v1beta1
      Given an API server with self-reviews in older versions alone
      And Alice holds a client certificate
      And she keeps the credential in a kubeconfig
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "alice"
