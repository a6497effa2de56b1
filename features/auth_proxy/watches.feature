@auth-proxy
Feature: Answers that go on come through the auth proxy as they come

  Rule: An event passes at once, not when the watch ends

    @P1
    Scenario Outline: Alice watches through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate
      And the user "alice" may watch configmaps
      When she watches configmaps
      Then she is accepted as "alice"
      And each of three new configmaps reaches her before the next one is made
      And the watch still goes on

      Examples:
        | endpoint                         |
        | the auth proxy               |
        | the impersonating auth proxy |

    @P1
    Scenario Outline: Bob, who has no right to watch, is told so at once by <endpoint>
      Given all requests go through <endpoint>
      And Bob holds a client certificate
      When he watches configmaps
      Then he is refused as forbidden, because "cannot watch resource"

      Examples:
        | endpoint                         |
        | the auth proxy               |
        | the impersonating auth proxy |
