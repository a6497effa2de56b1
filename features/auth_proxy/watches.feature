@auth-proxy
Feature: A watch through the auth proxy is not delayed

  Rule: The proxy passes on each event, or a refusal, at once

    @P1
    Scenario Outline: Alice sees each event at once through <endpoint>
      Given all requests go through <endpoint>
      And Alice holds a client certificate
      And the user "alice" may watch configmaps
      When she watches configmaps over HTTP
      Then she is accepted as "alice"
      And each of three new configmaps reaches her before the next is created
      And the watch is still open

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |

    @P1
    Scenario Outline: Bob, who may not watch, is refused through <endpoint>
      Given all requests go through <endpoint>
      And Bob holds a client certificate
      When he watches configmaps over HTTP
      Then he is refused as forbidden, because "cannot watch resource"

      Examples:
        | endpoint                     |
        | the auth proxy               |
        | the impersonating auth proxy |
