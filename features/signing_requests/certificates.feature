@signing-request
Feature: A cluster-signed certificate is a client certificate like any other

  Rule: The subject is the user and the groups

    @C1
    Scenario: Alice is authenticated by her cluster-signed certificate
      Given Alice holds a cluster-signed certificate with the organizations "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

    @C1 @C2
    Scenario: Alice requests her next certificate with the one that she has
      Given Alice holds a cluster-signed certificate of a team that may request certificates
      When she requests a certificate
      Then the request is accepted, and recorded as made by "alice"

  Rule: Permissions go to the user and to the groups that a certificate names

    @C1
    Scenario: Alice may list configmaps as the user that she is
      Given Alice holds a cluster-signed certificate
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @C1
    Scenario: Alice may list configmaps as a member of her group
      Given Alice holds a cluster-signed certificate with the organization "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

  Rule: A certificate is valid for as long as requested, but not for longer than its signer allows

    A signer dates certificates back by five minutes, and adds these to a lifetime below eight hours.

    Scenario Outline: A certificate that was requested for <requested> is valid for <lifetime>
      Given Alice holds a cluster-signed certificate valid for <requested>
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the certificate is valid for <lifetime>

      @C9
      Examples: Longer than the signer allows
        | requested | lifetime |
        | 100 hours | 24 hours |

      @C10
      Examples: As requested
        | requested | lifetime |
        | 20 hours  | 20 hours |
        | 8 hours   | 8 hours  |

      @C10
      Examples: As requested, with five minutes added
        | requested   | lifetime              |
        | 479 minutes | 484 minutes           |
        | 2 hours     | 2 hours and 5 minutes |
        | 10 minutes  | 15 minutes            |

    @C8
    Scenario: A certificate that was requested for no particular time is valid for 24 hours
      Given Alice holds a cluster-signed certificate
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the certificate is valid for 24 hours

  Rule: The API server counts the lifetimes that are requested, and those that are honoured

    @C18
    Scenario: Alice's requested lifetime is counted as honoured
      Given the current metric values are recorded
      And Alice holds a cluster-signed certificate valid for 20 hours
      When she asks the API server who she is
      Then she is accepted as "alice"
      And at least one more request for a lifetime is counted, and as one that was honoured
