@exec-plugin
Feature: A client has metrics about its plugin

  Rule: Each call of the plugin is counted by its result

    @E13
    Scenario: A controller manager counts a call that returned a certificate
      Given Alice has a plugin that returns a certificate and its key
      When she runs a controller manager with the plugin
      Then the controller manager counts a plugin call as "no_error" with the code 0
      And the controller manager reports how long its certificate remains valid

    @E13
    Scenario: A controller manager counts a call that returned a token
      Given Alice has a plugin that returns a token
      When she runs a controller manager with the plugin
      Then the controller manager counts a plugin call as "no_error" with the code 0
      And the controller manager reports no certificate that expires

    @E13
    Scenario Outline: A controller manager counts a call of a plugin that <flaw>
      Given Alice has a plugin that <flaw>
      When she runs a controller manager with the plugin
      Then the controller manager counts a plugin call as "<status>" with the code <code>

      Examples:
        | flaw                | status                 | code |
        | exits with an error | plugin_execution_error | 7    |
        | does not exist      | plugin_not_found_error | 1    |

  Rule: The replacement of an expired certificate is counted

    @E13
    Scenario: A controller manager counts that its certificate was replaced
      Given Alice has a plugin that first returns a certificate whose expiry is in the past
      When she runs a controller manager with the plugin
      Then the controller manager counts the replacement of a certificate
