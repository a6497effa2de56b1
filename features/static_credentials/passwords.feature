@static-credential
Feature: Kubernetes accepts no passwords

  Rule: No API server starts with a file of passwords

    @T8
    Scenario: An API server refuses to start with a file of passwords
      When Dana starts an API server with a file of passwords
      Then the API server refuses to start, because "unknown flag: --basic-auth-file"
      But Alice, with a client certificate, is accepted

  Rule: A user who sends a password is anonymous

    @T8
    @requires:anonymous_requests
    Scenario: Bob is anonymous with his name and a password
      Given Bob presents his name and a password
      When he asks the API server who he is
      Then he is refused as forbidden, because "system:anonymous"
