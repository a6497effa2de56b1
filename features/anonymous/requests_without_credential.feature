@anonymous
Feature: Who presents no credential is anonymous

  Rule: Anonymous people are a user and a group, and belong to nobody authenticated

    @A1 @B1
    Scenario: Bob asks for the API server's health
      Given Bob holds no credential
      When he asks whether the API server is alive
      Then he is accepted as "system:anonymous"
      And he is in exactly the groups "system:unauthenticated"

  Rule: Anonymous people may do what their user or their group may do, and nothing else

    @A1
    Scenario: Bob may not even ask who he is
      Given Bob holds no credential
      When he asks the API server who he is
      Then he is refused as forbidden, because 'User "system:anonymous" cannot create resource "selfsubjectreviews"'
      But Alice, with a client certificate, is accepted

    @A1
    Scenario: Bob may by the anonymous user's name
      Given Bob holds no credential
      And the user "system:anonymous" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"
      And he is in no group "system:authenticated"
      But he may not list secrets

    @A1
    Scenario: Bob may by the group of the unauthenticated
      Given Bob holds no credential
      And the group "system:unauthenticated" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"
      But he may not list secrets

  Rule: A bad credential is not the same as none

    @F8
    Scenario: Bob presents nothing and may
      Given Bob holds no credential
      And the group "system:unauthenticated" may list configmaps
      When he asks to list configmaps
      Then he is accepted as "system:anonymous"

    @F8 @F1
    Scenario: Mallory presents a bad token and may not
      Given Mallory presents a made-up token
      And the group "system:unauthenticated" may list configmaps
      When she asks to list configmaps
      Then she is refused as unauthenticated, because "invalid bearer token"
      And the answer gives nothing away
      But the deployer, whose token is sound, is still accepted

  Rule: An API server may have no anonymous people

    @A6 @F1
    Scenario: Bob presents nothing where that is switched off
      Given an API server with anonymous requests switched off
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated with nothing logged, because "Unauthorized"
      And the answer gives nothing away
      But Alice, with a client certificate, is accepted

    @A5 @F1
    Scenario: Bob presents nothing where everything is allowed to everybody
      Given an API server with everything allowed to everybody
      And Bob holds no credential
      When he asks the API server who he is
      Then he is refused as unauthenticated with nothing logged, because "Unauthorized"
      And the API server logs of its start that "AnonymousAuth is not allowed with the AlwaysAllow authorizer"
      But Alice, with a client certificate, is accepted
