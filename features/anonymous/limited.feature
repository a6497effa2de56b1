@anonymous
@requires:anonymous_conditions
Feature: Anonymous requests can be allowed for some paths only

  Rule: A request without a credential is anonymous on the configured paths, and refused on all others

    @A2
    Scenario: Bob is anonymous when he asks for the liveness check
      Given an API server with anonymous requests for its liveness check only
      And Bob holds no credential
      When he asks whether the API server is alive
      Then he is accepted as "system:anonymous"
      And he is in exactly the groups "system:unauthenticated"

    @A2
    Scenario: Bob is refused when he asks for the health check, which is another path
      Given an API server with anonymous requests for its liveness check only
      And Bob holds no credential
      When he asks whether the API server is healthy
      Then he is refused as unauthenticated without an error in the log, because "Unauthorized"
      But Alice, with a client certificate, is accepted

    @A2
    Scenario: Bob is refused when he asks who he is
      Given an API server with anonymous requests for its liveness check only
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated without an error in the log, because "Unauthorized"
      And the response does not reveal the reason
      But Alice, with a client certificate, is accepted
