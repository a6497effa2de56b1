@external-certificate
Feature: A client certificate says who its holder is

  A certificate that the cluster's client authority has signed needs no account anywhere: its subject is the identity.

  Rule: The common name is the user

    @X1 @F15
    Scenario: Alice is known by her certificate
      Given Alice holds a client certificate
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"

  Rule: The certificate's hash is the credential's id

    @X1
    Scenario: Alice's certificate can be told from others of hers
      Given Alice holds a client certificate
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the credential's id is the SHA-256 of the certificate

  Rule: Each organization is a group

    @X2
    Scenario: Alice belongs to two teams
      Given Alice holds a client certificate with the organizations "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

  Rule: A certificate with no purpose named is good for any

    @X1
    Scenario: Alice's certificate was signed without extended key usages
      Given Alice holds a client certificate without any extended key usage
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: A UID in the subject is the user's UID

    @X11
    @requires:certificate_uid
    Scenario: Alice's certificate carries a UID
      Given Alice holds a client certificate with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @X15
    @requires:certificate_uid
    Scenario: Alice's UID is not looked at where that is switched off
      Given an API server with UIDs of certificates switched off
      And Alice holds a client certificate with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

    @X15
    @requires:certificate_uid
    Scenario: Alice's UID may be empty where it is not looked at
      Given an API server with UIDs of certificates switched off
      And Alice holds a client certificate that has an empty UID
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

  Rule: The API server counts how long the certificates still live that it sees

    @X16
    Scenario: Alice's certificate ends in less than an hour
      Given an API server with nodes
      And Alice holds a client certificate that ends in 45 minutes
      And it is noted what the API server has counted so far
      When she asks the API server who she is
      Then she is accepted as "alice"
      And one more certificate is counted that ends within the hour, and none that ends within half of it

  Rule: What a certificate's holder may do is decided by name and by group

    @X1
    Scenario: Alice may by her name
      Given Alice holds a client certificate
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @X2
    Scenario: Alice may by her group
      Given Alice holds a client certificate with the organization "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @X18
    Scenario: Dana's group is above all rules
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And she is in the group "system:masters"
