@service-account
Feature: A service account token is valid for one audience, for a limited time, and while its account exists

  Rule: The token must be for the API server

    @S19
    Scenario: A token requested without an audience is for the API server
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And the token is for the API server itself

    @S18
    Scenario: The API server refuses a token for another audience
      Given the deployer holds a service account token for the audience "vault"
      When it asks the API server who it is
      Then it is refused as unauthenticated, because 'token audiences ["vault"] is invalid for the target audiences'
      But the deployer, with a valid token, is still accepted

    @S18
    Scenario: A TokenReview for another audience accepts a token with that audience
      Given Dana holds a client certificate with the organization "system:masters"
      And the deployer holds a service account token for the audience "vault"
      When Dana has the deployer's token reviewed for the audience "vault"
      Then the token is accepted as the deployer's, for the audience "vault"
      But reviewed by Dana for the API server itself, the token is refused, because 'token audiences ["vault"] is invalid for the target audiences'

  Rule: The token must be within its validity period, and signed by the cluster's key

    Scenario Outline: A token that <flaw> is refused
      Given Mallory holds a service account token that <flaw>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But the deployer, with a valid token, is still accepted

      @S14
      Examples: Too late
        | flaw                | reason                            |
        | expired an hour ago | service account token has expired |

      @S15
      Examples: Too early
        | flaw                                 | reason                                 |
        | is not valid before an hour from now | service account token is not valid yet |

      @B6
      Examples: Signed by somebody else
        | flaw                             | reason                           |
        | was signed with a stranger's key | error in cryptographic primitive |

      @S34
      Examples: Signed with a key for something else
        | flaw                                     | reason                           |
        | was signed with the key of the client CA | error in cryptographic primitive |

      @S34
      Examples: A similar issuer
        | flaw                                     | reason               |
        | names its issuer with a slash at the end | invalid bearer token |
        | names its issuer in capitals             | invalid bearer token |
        | names an issuer that begins as its own   | invalid bearer token |

  Rule: A token past its warn-after time is still accepted, and the audit log says so

    @S22
    Scenario: A token that should have been renewed is accepted and recorded as stale
      Given the deployer holds a service account token that should have been renewed an hour ago
      When it asks the API server who it is
      Then it is accepted as its service account
      And the audit event says that the token is stale

    @S22
    Scenario: A fresh token is accepted and not recorded as stale
      Given the deployer holds a service account token
      When it asks the API server who it is
      Then it is accepted as its service account
      And the audit event does not say that the token is stale

  Rule: A bound token stops being valid when its object is deleted

    Scenario Outline: A token ends when its <object> is deleted
      Given the deployer holds a service account token bound to its <object>
      And one like it is accepted
      When its <object> is deleted
      Then it is soon refused as unauthenticated, because "service account token has been invalidated"
      But with a new token of its service account, it is accepted

      @S12
      Examples: A pod
        | object |
        | pod    |

      @S11 @S12
      Examples: A Secret
        | object |
        | Secret |

    @S13 @S17
    Scenario Outline: A token ends when its <object> is deleted and recreated
      Given the deployer holds a service account token bound to its <object>
      And one like it is accepted
      When its <object> is deleted and recreated
      Then it is soon refused as unauthenticated, because "<reason>"
      But with a new token of its service account, it is accepted

      Examples:
        | object | reason                                          |
        | pod    | does not match service account pod ref claim    |
        | Secret | does not match service account secret ref claim |

  Rule: Every token stops being valid when its service account is deleted

    @S12 @S16
    Scenario: A token ends when its service account is deleted
      Given Dana holds a client certificate with the organization "system:masters"
      And the deployer holds a service account token
      And one like it is accepted
      When its service account is deleted
      Then it is soon refused as unauthenticated, because 'serviceaccounts "deployer" not found'
      And reviewed by Dana for the API server itself, the token is refused, because 'serviceaccounts "deployer" not found'
      But with a new token of another service account, the robot is accepted

    @S16
    Scenario: A token ends when its service account is deleted and recreated
      Given the deployer holds a service account token
      And one like it is accepted
      When its service account is deleted and recreated
      Then it is soon refused as unauthenticated, because "does not match claim"
      But with a new token of its service account, it is accepted
