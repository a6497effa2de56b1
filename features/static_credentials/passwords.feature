@static-credential
Feature: Passwords are gone

  Rule: No API server takes a file of them any more

    @T8
    Scenario: Somebody still has a file of passwords
      When Dana starts an API server with a file of passwords
      Then the API server refuses to start, because "unknown flag: --basic-auth-file"
      But Alice, with a client certificate, is accepted

  Rule: Who sends one is anonymous

    @T8
    @requires:anonymous_requests
    Scenario: Bob sends his name and a password
      Given Bob sends his name and a password
      When he asks the API server who he is
      Then he is refused as forbidden, because "system:anonymous"
