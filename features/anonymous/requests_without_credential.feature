@anonymous
Feature: A request without a credential is anonymous

  Rule: An anonymous request has the user system:anonymous and the group system:unauthenticated

    @A1 @B1
    Scenario: Bob asks whether the API server is alive, and is accepted as anonymous
      Given Bob holds no credential
      When he asks whether the API server is alive
      Then he is accepted as "system:anonymous"
      And he is in exactly the groups "system:unauthenticated"

  Rule: Anonymous requests are authorized by the anonymous user and its group

    @A1
    Scenario: Bob has no permission to ask who he is
      Given Bob holds no credential
      When he asks the API server who he is
      Then he is refused as forbidden, because 'User "system:anonymous" cannot create resource "selfsubjectreviews"'
      But Alice, with a client certificate, is accepted

    @A1
    Scenario: Bob may list what the anonymous user may list
      Given Bob holds no credential
      And the user "system:anonymous" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"
      And he is not in the group "system:authenticated"
      But he may not list secrets

    @A1
    Scenario: Bob may list what the group of unauthenticated users may list
      Given Bob holds no credential
      And the group "system:unauthenticated" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"
      But he may not list secrets

  Rule: A request with an invalid credential is refused, not anonymous

    @F8
    Scenario: Bob is accepted without a credential
      Given Bob holds no credential
      And the group "system:unauthenticated" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"

    @F8 @F1
    Scenario: Mallory is refused with an invalid token
      Given Mallory presents a made-up token
      And the group "system:unauthenticated" may list configmaps
      When she asks to list configmaps
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the response does not reveal the reason
      But the deployer, with a valid token, is still accepted

  Rule: An API server without anonymous requests refuses requests without a credential

    @A6 @F1
    Scenario: Bob is refused where anonymous requests are switched off
      Given an API server with anonymous requests switched off
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated without an error in the log, because "Unauthorized"
      And the response does not reveal the reason
      But Alice, with a client certificate, is accepted

    @A5 @F1
    Scenario: Bob is refused where the authorizer would allow everything
      Given an API server with the AlwaysAllow authorizer
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated without an error in the log, because "Unauthorized"
      And the API server's log about its start says "AnonymousAuth is not allowed with the AlwaysAllow authorizer"
      But Alice, with a client certificate, is accepted
