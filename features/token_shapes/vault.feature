@structured-configuration @oidc
Feature: HashiCorp Vault: ID tokens of its OIDC provider

  Background:
    Given an API server with the issuers of known providers

  Rule: Names and groups come by the templates of scopes

    @TS1
    Scenario: Alice has the name and the groups of Vault's templates
      Given Alice holds a token of the issuer "vault"
      When she asks the API server who she is
      Then she is accepted as "vault:alice"
      And she is in exactly the groups "vault:developers" and "system:authenticated"
      And she has no UID
      And she has no extra

    @TS1
    Scenario: Alice has no groups if her login did not ask for that scope
      Given Alice holds a token of the issuer "vault" with the claim
        | groups |  |
      When she asks the API server who she is
      Then she is accepted as "vault:alice"
      And she is in exactly the group "system:authenticated"

    @TS3 @O12
    @requires:server_log
    Scenario: Alice is refused if her login did not ask for the scope with her name
      Given Alice holds a token of the issuer "vault" with the claim
        | username |  |
      When she asks the API server who she is
      Then she is refused as unauthenticated, because 'oidc: parse username claims "username": claim not present'
      But Alice, with a valid token, is still accepted

  Rule: The issuer has a port and a path

    @TS2 @O28
    @requires:server_log
    Scenario Outline: A token of Vault is refused if its issuer is without the <part>
      Given Alice holds a token of the issuer "vault" with the claim
        | iss | <issuer> |
      When she asks the API server who she is
      Then she is refused as unauthenticated, with no other error than "invalid bearer token"
      But Alice, with a valid token, is still accepted

      Examples:
        | part | issuer                                                         |
        | port | https://vault.example.com/v1/identity/oidc/provider/kubernetes |
        | path | https://vault.example.com:8200                                 |
