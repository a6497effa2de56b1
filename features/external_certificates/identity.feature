@external-certificate
Feature: A client certificate says who its holder is

  A certificate that the cluster's client CA has signed needs no account anywhere: its subject is the identity.

  Rule: The common name is the user

    @X1 @F15
    Scenario: Alice is authenticated by her client certificate
      Given Alice holds a client certificate
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"

  Rule: The credential id is the certificate's SHA-256

    @X1
    Scenario: Alice's credential id tells which certificate she presented
      Given Alice holds a client certificate
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the certificate's SHA-256 as credential id

  Rule: Each organization is a group

    @X2
    Scenario: Alice is in both groups that her certificate names
      Given Alice holds a client certificate with the organizations "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

  Rule: A certificate without extended key usages is good for any purpose

    @X1
    Scenario: A certificate without extended key usages is accepted
      Given Alice holds a client certificate without extended key usages
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: A UID in the subject is the user's UID

    @X11
    @requires:certificate_uid
    Scenario: Alice has the UID that her certificate names
      Given Alice holds a client certificate with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @X15
    @requires:certificate_uid
    Scenario: A certificate's UID is ignored where UIDs are switched off
      Given an API server with UIDs of certificates switched off
      And Alice holds a client certificate with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

    @X15
    @requires:certificate_uid
    Scenario: A certificate with an empty UID is accepted where UIDs are switched off
      Given an API server with UIDs of certificates switched off
      And Alice holds a client certificate that has an empty UID
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

  Rule: The API server counts client certificates by the time until they expire

    @X16
    Scenario: A certificate that expires within the hour is counted as such
      Given an API server with the Node authorizer
      And Alice holds a client certificate valid for 45 minutes
      And the current metric values are recorded
      When she asks the API server who she is
      Then she is accepted as "alice"
      And one more certificate is counted as expiring within 60 minutes, and none within 30

  Rule: Permissions go to the user and to the groups that a certificate names

    @X1
    Scenario: Alice may list configmaps as the user that she is
      Given Alice holds a client certificate
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @X2
    Scenario: Alice may list configmaps as a member of her group
      Given Alice holds a client certificate with the organization "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @X18
    Scenario: Dana may list secrets as a member of system:masters
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And she is in the group "system:masters"
