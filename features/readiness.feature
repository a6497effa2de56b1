@anonymous
Feature: An API server that has just started refuses requests without a credential until its roles are there

  Background:
    Given an API server with a store of its own

  Rule: Requests without a credential may ask whether the API server is ready as soon as a role binding says so

    @R7
    Scenario: Bob is refused, as the role binding has not been created yet
      Given the API server has not created the role binding for requests without a credential yet
      And Bob holds no credential
      When he asks whether the API server is ready
      Then he is refused as forbidden, because 'User "system:anonymous" cannot get path "/readyz"'

  Rule: An administrator with a certificate needs no role

    @R7
    Scenario: Dana may ask, although the role binding has not been created yet
      Given the API server has not created the role binding for requests without a credential yet
      And Dana holds a client certificate with the organization "system:masters"
      When she asks whether the API server is ready
      Then she is accepted as "da-admin"

    @R7
    Scenario: Bob is accepted where the role binding has been created
      Given an API server with the configuration file
      And Bob holds no credential
      When he asks whether the API server is ready
      Then he is accepted as "system:anonymous"
