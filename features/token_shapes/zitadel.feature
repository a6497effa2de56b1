@structured-configuration @oidc
Feature: ZITADEL: ID tokens with the roles of a project

  Background:
    Given an API server with the issuers of known providers

  Rule: Roles are the names in an object

    @TS1 @G24
    Scenario: Alice has the roles of the project
      Given Alice holds a token of the issuer "zitadel"
      When she asks the API server who she is
      Then she is accepted as "zitadel:alice@acme.example.com"
      And she is in exactly the groups "zitadel:developer" and "system:authenticated"
      And she has no UID
      And she has no extra

    @TS1
    Scenario: Alice has no groups if the project does not assert its roles
      Given Alice holds a token of the issuer "zitadel" with the claim
        | urn:zitadel:iam:org:project:roles |  |
      When she asks the API server who she is
      Then she is accepted as "zitadel:alice@acme.example.com"
      And she is in exactly the group "system:authenticated"

  Rule: A role says which organization granted it

    @TS4
    Scenario: Mallory has a role that her own organization granted
      Given Mallory holds a token of the issuer "zitadel" with the claims
        | urn:zitadel:iam:org:project:roles | {"admin": {"99": "evil.example.com"}} |
        | preferred_username                | mallory@evil.example.com              |
      When she asks the API server who she is
      Then she is accepted as "zitadel:mallory@evil.example.com"
      And she is in exactly the groups "zitadel:admin" and "system:authenticated"

    @TS1 @G24
    Scenario: A role that another organization granted does not count if an expression says which one does
      Given Alice holds a token of the issuer "zitadel-own-organization" with the claim
        | urn:zitadel:iam:org:project:roles | {"admin": {"99": "evil.example.com"}, "developer": {"223279178549166338": "acme.example.com"}} |
      When she asks the API server who she is
      Then she is accepted as "zitadel:alice@acme.example.com"
      And she is in exactly the groups "zitadel:developer" and "system:authenticated"

  Rule: A token for one application of a project is for all of them

    @TS4
    Scenario: Alice's token for another application of the project is accepted
      Given Alice holds a token of the issuer "zitadel" with the claims
        | azp | "69234237810729300"                                             |
        | aud | ["69234237810729300", "69234237810729234", "69234237810729019"] |
      When she asks the API server who she is
      Then she is accepted as "zitadel:alice@acme.example.com"
