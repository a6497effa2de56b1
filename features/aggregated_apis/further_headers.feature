@aggregated-api
Feature: An API server removes its front proxy's own headers before an aggregated API sees them

  Rule: Further names of headers are removed like the standard ones

    @F6
    Scenario: Alice's claims in headers of further names are not passed on
      Given an aggregated API that all authenticated users may use
      And Alice holds a client certificate
      And she claims to be Dana in the group "system:masters", as a front proxy with further names would
      When she asks the aggregated API who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
      And the aggregated API receives no claim of Alice
