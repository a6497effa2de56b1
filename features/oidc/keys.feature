@oidc
Feature: An issuer may publish new keys while the API server runs

  Background:
    Given an API server with many differently configured issuers

  Rule: The API server keeps an issuer's keys for as long as the issuer allows

    @O29 @requires:issuer_keys_kept
    Scenario: A token that is signed with a new key is refused while the older keys may be kept
      Given Alice holds a token of the issuer "keys-kept-for-a-day"
      And she was once accepted with it
      And she holds a new token, signed with a key that the issuer "keys-kept-for-a-day" has just published
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "failed to verify signature: failed to verify id token signature"
      But Alice, with a valid token, is still accepted

    @O30
    Scenario: A token that is signed with a new key is accepted at once if nothing lets the older keys be kept
      Given Alice holds a token of the issuer "keys-not-kept"
      And she was once accepted with it
      And she holds a new token, signed with a key that the issuer "keys-not-kept" has just published
      When she asks the API server who she is
      Then she is accepted as "keys-not-kept:alice"
