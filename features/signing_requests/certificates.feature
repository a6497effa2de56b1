@signing-request
Feature: A certificate that the cluster has signed is a client certificate like any other

  Rule: Its subject is who its holder is

    @C1
    Scenario: Alice is known by the certificate that the cluster has signed
      Given Alice holds a certificate with the organizations "platform-team" and "on-call" that the cluster has signed
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

    @C1 @C2
    Scenario: Alice requests her next certificate with the one she has
      Given Alice holds a certificate that the cluster has signed, and that is good for requesting others
      When she requests a certificate
      Then the request is accepted, and recorded as made by "alice"

  Rule: What its holder may do is decided by name and by group

    @C1
    Scenario: Alice may by her name
      Given Alice holds a certificate that the cluster has signed
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @C1
    Scenario: Alice may by her group
      Given Alice holds a certificate with the organization "platform-team" that the cluster has signed
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

  Rule: It lives as long as was asked for, but never longer than the signer lets it

    A signer dates certificates back by five minutes. Those for less than eight hours are not cut short by that.

    Scenario Outline: Alice's certificate <asked>
      Given Alice holds a certificate <asked> that the cluster has signed
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the certificate is valid for <lifetime>

      @C9
      Examples: Longer than the signer lets it
        | asked               | lifetime |
        | valid for 100 hours | 24 hours |

      @C10
      Examples: As asked for
        | asked              | lifetime |
        | valid for 20 hours | 20 hours |
        | valid for 8 hours  | 8 hours  |

      @C10
      Examples: As asked for, and what was dated back
        | asked                 | lifetime              |
        | valid for 479 minutes | 484 minutes           |
        | valid for 2 hours     | 2 hours and 5 minutes |
        | valid for 10 minutes  | 15 minutes            |

    @C8
    Scenario: Alice asks for no particular time
      Given Alice holds a certificate that the cluster has signed
      When she asks the API server who she is
      Then she is accepted as "alice"
      And the certificate is valid for 24 hours

  Rule: The API server counts who asks for a lifetime, and who gets it

    @C18
    Scenario: Alice gets the lifetime that she asked for
      Given it is noted what the API server has counted so far
      And Alice holds a certificate valid for 20 hours that the cluster has signed
      When she asks the API server who she is
      Then she is accepted as "alice"
      And at least one more request for a lifetime is counted, and as one that was honoured
