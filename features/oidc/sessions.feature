@oidc
Feature: The identity provider manages logins; the API server only checks tokens

  Rule: A login yields tokens that the identity provider confirms as active

    @O1
    Scenario: Alice logs in with her password
      Given Alice has an account of her own at the identity provider, with the role "platform-team"
      When she logs in with her password
      Then the identity provider says that her token is active
      And the provider's userinfo endpoint returns her name and the role "platform-team"
      And the API server accepts her token
      And she is in the group "{provider}:platform-team"

    Scenario: Alice logs in with a wrong password
      Given Alice has an account of her own at the identity provider
      When she logs in with a wrong password
      Then the identity provider refuses the login, because "the password is wrong"
      But the identity provider accepts her password

  Rule: A refresh yields a new token without a password

    @O1
    Scenario: Alice refreshes her login
      Given Alice has an account of her own at the identity provider
      And she has logged in with her password
      When she refreshes her login
      Then she has a new token
      And the API server accepts her token

  Rule: A logout ends the login; a token already issued stays valid until it expires

    Scenario: Alice logs out
      Given Alice has an account of her own at the identity provider
      And she has logged in with her password
      When she logs out
      Then the identity provider says that her token is not active
      And the identity provider refuses to refresh her login, because "the login is over"
      But the API server still accepts her token

    Scenario: Alice is logged out by an administrator
      Given Alice has an account of her own at the identity provider
      And she has logged in with her password
      When an administrator of the identity provider ends her sessions
      Then the identity provider says that her token is not active
      And the identity provider refuses to refresh her login, because "the login is over"
      But the API server still accepts her token

    Scenario: Alice's account is disabled
      Given Alice has an account of her own at the identity provider
      And she has logged in with her password
      When an administrator of the identity provider disables her account
      Then the identity provider says that her token is not active
      And the identity provider refuses to refresh her login, because "the login is over"
      And the identity provider refuses to log her in, because "the account is disabled"
      But the API server still accepts her token

  Rule: Role changes take effect with the next token

    @O16
    Scenario: Alice is granted a role
      Given Alice has an account of her own at the identity provider
      And she has logged in with her password
      When an administrator of the identity provider grants her the role "on-call"
      Then the API server accepts her token after a refresh
      And she is in the group "{provider}:on-call"

    @O16
    Scenario: A role is withdrawn from Alice
      Given Alice has an account of her own at the identity provider, with the role "on-call"
      And the group "{provider}:on-call" may list configmaps
      And she has logged in with her password
      When an administrator of the identity provider withdraws the role "on-call" from her
      Then the API server accepts her token after a refresh
      And she may not list configmaps
      But with her former token she may still list configmaps
