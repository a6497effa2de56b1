@oidc
Feature: Keycloak manages logins; the API server only checks tokens

  Rule: A login yields tokens that Keycloak confirms as active

    @O1
    Scenario: Alice logs in with her password
      Given Alice has an account of her own in Keycloak, with the role "platform-team"
      When she logs in with her password
      Then Keycloak says that her token is active
      And Keycloak's userinfo endpoint returns her name and the role "platform-team"
      And the API server accepts her token
      And she is in the group "keycloak:platform-team"

    Scenario: Alice logs in with a wrong password
      Given Alice has an account of her own in Keycloak
      When she logs in with a wrong password
      Then Keycloak refuses the login with "invalid_grant: Invalid user credentials"
      But Keycloak accepts her password

  Rule: A refresh yields a new token without a password

    @O1
    Scenario: Alice refreshes her login
      Given Alice has an account of her own in Keycloak
      And she has logged in with her password
      When she refreshes her login
      Then she has a new token
      And the API server accepts her token

  Rule: A logout ends the login; a token already issued stays valid until it expires

    Scenario: Alice logs out
      Given Alice has an account of her own in Keycloak
      And she has logged in with her password
      When she logs out
      Then Keycloak says that her token is not active
      And Keycloak refuses to refresh her login with "invalid_grant"
      But the API server still accepts her token

    Scenario: Alice is logged out by an administrator
      Given Alice has an account of her own in Keycloak
      And she has logged in with her password
      When an administrator of Keycloak ends her sessions
      Then Keycloak says that her token is not active
      And Keycloak refuses to refresh her login with "invalid_grant"
      But the API server still accepts her token

    Scenario: Alice's account is disabled
      Given Alice has an account of her own in Keycloak
      And she has logged in with her password
      When an administrator of Keycloak disables her account
      Then Keycloak says that her token is not active
      And Keycloak refuses to refresh her login with "invalid_grant"
      And Keycloak refuses her password with "invalid_grant"
      But the API server still accepts her token

  Rule: Role changes take effect with the next token

    @O16
    Scenario: Alice is granted a role
      Given Alice has an account of her own in Keycloak
      And she has logged in with her password
      When an administrator of Keycloak grants her the role "on-call"
      Then the API server accepts her token after a refresh
      And she is in the group "keycloak:on-call"

    @O16
    Scenario: A role is withdrawn from Alice
      Given Alice has an account of her own in Keycloak, with the role "on-call"
      And the group "keycloak:on-call" may list configmaps
      And she has logged in with her password
      When an administrator of Keycloak withdraws the role "on-call" from her
      Then the API server accepts her token after a refresh
      And she may not list configmaps
      But with her former token she may still list configmaps
