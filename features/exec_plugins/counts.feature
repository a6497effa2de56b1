@exec-plugin
Feature: A client counts what comes of its plugin

  Rule: Every call is counted by what came of it

    @E13
    Scenario: Alice's plugin gives a certificate to a client that counts
      Given Alice has a plugin that gives her a certificate and its key
      When she runs a client that counts what comes of its plugin
      Then the client counts a call of its plugin as "no_error" with the code 0
      And the client tells how long its certificate is good for

    @E13
    Scenario: Alice's plugin gives a token to a client that counts
      Given Alice has a plugin that gives her a token
      When she runs a client that counts what comes of its plugin
      Then the client counts a call of its plugin as "no_error" with the code 0
      And the client tells of no certificate that could run out

    @E13
    Scenario Outline: Alice's plugin <flaw>, and a client counts that
      Given Alice has a plugin that <flaw>
      When she runs a client that counts what comes of its plugin
      Then the client counts a call of its plugin as "<status>" with the code <code>

      Examples:
        | flaw               | status                 | code |
        | ends with an error | plugin_execution_error | 7    |
        | is not there       | plugin_not_found_error | 1    |

  Rule: A certificate that another takes the place of is counted

    @E13
    Scenario: Alice's plugin gives one certificate after the other
      Given Alice has a plugin whose first certificate is over at once
      When she runs a client that counts what comes of its plugin
      Then the client counts a certificate that another took the place of
