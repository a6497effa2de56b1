@oidc
Feature: Users can authenticate with any issuer that the cluster trusts

  These scenarios run against any issuer: they expect no particular group, role or name, and change no account.

  Rule: The token identifies its user

    @O1
    Scenario: A token of the issuer is accepted
      Given Alice holds a token of the issuer that the cluster trusts
      When she asks the API server who she is
      Then she is accepted as the user that the token names
      And she is in the group "system:authenticated"

  Rule: A token that was modified after signing is refused

    @O8 @F1
    Scenario: A token of the issuer is refused when it was changed
      Given Mallory holds a changed token of the issuer that the cluster trusts
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And the response does not reveal the reason
      But Alice, with a valid token, is still accepted
