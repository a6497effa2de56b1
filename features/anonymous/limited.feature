@anonymous
@requires:anonymous_conditions
Feature: Anonymous people may be let in at some places alone

  Rule: Who presents no credential is anonymous where the configuration says so, and nobody elsewhere

    @A2
    Scenario: Bob asks whether the API server is alive
      Given an API server with anonymous people for its health alone
      And Bob holds no credential
      When he asks whether the API server is alive
      Then he is accepted as "system:anonymous"
      And he is in exactly the groups "system:unauthenticated"

    @A2
    Scenario: Bob asks whether the API server is healthy, which is another place
      Given an API server with anonymous people for its health alone
      And Bob holds no credential
      When he asks whether the API server is healthy
      Then he is refused as unauthenticated with nothing logged, because "Unauthorized"
      But Alice, with a client certificate, is accepted

    @A2
    Scenario: Bob asks who he is where he is nobody
      Given an API server with anonymous people for its health alone
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated with nothing logged, because "Unauthorized"
      And the answer gives nothing away
      But Alice, with a client certificate, is accepted
