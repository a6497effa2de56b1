@oidc
Feature: Whoever logs in at an issuer that the cluster trusts is somebody to the API server

  This holds for any issuer: no group, role or name is expected, and nobody's account is changed.

  Rule: The token says who its holder is

    @O1
    Scenario: Alice logs in at the issuer
      Given Alice has logged in at the issuer that the cluster trusts
      When she asks the API server who she is
      Then she is accepted as who the token says
      And she is in the group "system:authenticated"

  Rule: A token is good as the issuer signed it

    @O8 @F1
    Scenario: Mallory changes a token of the issuer
      Given Mallory holds a token of the issuer that the cluster trusts, changed after it was signed
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "oidc: verify token: failed to verify signature"
      And the answer gives nothing away
      But Alice, whose token is sound, is still accepted
