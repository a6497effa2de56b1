@oidc
Feature: kubectl refreshes an expired token by itself

  Rule: An expired token is replaced by a new one, which the kubeconfig keeps

    @O27
    Scenario: kubectl refreshes Alice's expired token
      Given Alice has a kubeconfig with an expired token of the identity provider and a refresh token
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "{provider}:alice"
      And the kubeconfig holds a token that has not expired

  Rule: If kubectl gets no new token, it reports an error and sends no request

    @O27
    Scenario Outline: kubectl cannot refresh Alice's expired token with <flaw>
      Given Alice has a kubeconfig with an expired token of the identity provider and <flaw>
      When she asks the API server who she is through the command-line client
      Then the client fails, because "<reason>"
      But with a valid refresh token, the client is accepted as "{provider}:alice"

      Examples:
        | flaw                                              | reason                                        |
        | a client ID that the provider does not know       | failed to refresh token: oauth2:              |
        | a CA that did not sign the provider's certificate | x509: certificate signed by unknown authority |
        | a refresh token that yields no ID token           | token response did not contain an id_token    |
