@oidc
Feature: Any issuer that the cluster trusts can identify its users

  This holds for any issuer: no group, role or name is expected, and nobody's account is changed.

  Rule: The token names its holder

    @O1
    Scenario: A token of the issuer is accepted
      Given Alice holds a token of the issuer that the cluster trusts
      When she asks the API server who she is
      Then she is accepted as the user that the token names
      And she is in the group "system:authenticated"

  Rule: A token is valid only as the issuer signed it

    @O8 @F1
    Scenario: A token of the issuer is refused when it was changed
      Given Mallory holds a changed token of the issuer that the cluster trusts
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And the answer gives nothing away
      But Alice, whose token is sound, is still accepted
