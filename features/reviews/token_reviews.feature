@review @bearer
Feature: A token review tells a server whose token it was given

  Background:
    Given an API server with a token file, bootstrap tokens, a token webhook and an issuer
    And Dana holds a client certificate with the organization "system:masters"

  Rule: The review of a valid token has everything that the API server knows of its user

    @R9
    Scenario: Dana is told all of Alice's attributes
      Given Alice holds a token that the webhook accepts
      When Dana asks the API server whose token Alice holds
      Then the review returns:
        | authenticated           | yes                                        |
        | user                    | alice                                      |
        | UID                     | webhook-alice                              |
        | groups                  | platform-team, on-call, system:authenticated |
        | extra example.com/shift | blue, green                                |
        | audiences               | https://kubernetes.default.svc             |
        | error                   |                                            |

    @R9
    Scenario: Dana is told of an audience that only the webhook knows
      Given Alice holds a token that the webhook accepts for the audience "vault"
      When Dana asks the API server whose token Alice holds, for the audiences "vault" and "bank"
      Then the review returns:
        | authenticated | yes   |
        | user          | alice |
        | audiences     | vault |
        | error         |       |

  Rule: The review of an invalid token has the reason, and no user

    @R10
    Scenario: Dana is told why Mallory's token is invalid
      Given Mallory holds a token that the webhook refuses because "her account is locked"
      When Dana asks the API server whose token Mallory holds
      Then the review returns:
        | authenticated | no                    |
        | user          |                       |
        | UID           |                       |
        | groups        |                       |
        | audiences     |                       |
        | error         | her account is locked |
      But Mallory, with a valid token, is still accepted

    @R10
    Scenario: Dana is told that Alice's token is for another audience
      Given Alice holds a token from the token file
      When Dana asks the API server whose token Alice holds, for the audience "vault"
      Then the review returns:
        | authenticated | no |
        | user          |    |
        | audiences     |    |
      But Alice, who asks the API server who she is, is accepted as "alice"

  Rule: A review needs the right to create one

    @R11
    Scenario: Bob may not have tokens reviewed
      Given Alice holds a token from the token file
      And Bob holds a client certificate
      When he asks the API server whose token Alice holds
      Then he is refused as forbidden, because 'User "bob" cannot create resource "tokenreviews"'
