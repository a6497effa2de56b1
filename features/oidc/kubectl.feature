@oidc
Feature: The command-line client keeps a login alive by itself

  Rule: A token that has expired is refreshed, and kept

    @O27
    Scenario: Alice asks an hour too late
      Given Alice has a kubeconfig with a login at Keycloak whose token has expired
      When she asks the command-line client who she is
      Then the client says that she is accepted as "keycloak:alice"
      And the kubeconfig holds a token that has not expired

  Rule: Without a new token nothing is asked

    @O27
    Scenario Outline: Alice's kubeconfig has <flaw>
      Given Alice has a kubeconfig with a login at Keycloak whose token has expired, with <flaw>
      When she asks the command-line client who she is
      Then the client is refused a token, because "<reason>"
      But with a login that is sound, the client says that she is accepted as "keycloak:alice"

      Examples:
        | flaw                                                   | reason                                                        |
        | a client that Keycloak does not know                   | failed to refresh token: oauth2:                              |
        | an authority that did not sign Keycloak's certificate  | x509: certificate signed by unknown authority                 |
        | a refresh that brings no ID token                      | token response did not contain an id_token                    |
