@aggregated-api
Feature: An aggregated API learns who calls, and nothing else about the caller

  The API server passes requests for some APIs on to other servers. To them it is a front proxy: it announces each caller.

  Background:
    Given an aggregated API that all authenticated users may use

  Rule: A credential ends at the API server

    @F6
    Scenario: Alice's token is not passed on
      Given Alice holds a token of the issuer "rs256"
      When she asks the aggregated API who she is
      Then she is accepted as "rs256:alice"
      And the aggregated API receives no credential of Alice

  Rule: A caller's own claims end at the API server, in the standard headers and in those of its front proxy

    @F6
    Scenario: Alice's claims in a front proxy's headers are not passed on
      Given Alice holds a client certificate
      And she claims to be Dana in the group "system:masters", as a front proxy would
      When she asks the aggregated API who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
      And the aggregated API receives no claim of Alice

  Rule: An impersonation ends at the API server: the impersonated user is announced

    @I11
    Scenario: Dana, who impersonates Bob, is announced as Bob
      Given Dana holds a client certificate with the organization "system:masters"
      And she impersonates the user "bob"
      When she asks the aggregated API who she is
      Then she is accepted as "bob"
      And the API server announces "bob" to the aggregated API
      And the aggregated API receives no impersonation by Dana

  Rule: The UID of an impersonated user is announced

    @P17
    Scenario: Dana, who impersonates Bob with a UID, is announced with it
      Given Dana holds a client certificate with the organization "system:masters"
      And she impersonates the user "bob" with the UID "4711"
      When she asks the aggregated API who she is
      Then she is accepted as "bob"
      And the API server announces the UID "4711" to the aggregated API
