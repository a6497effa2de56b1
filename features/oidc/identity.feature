@oidc
Feature: A token of a trusted issuer says who its holder is

  The API server takes user and groups from claims; which ones, and with which prefix, is its configuration.

  Rule: Keycloak's users come in with the prefixes that the API server was told, or with the issuer's URL

    @O1 @O16 @O19
    Scenario Outline: Alice logs in to Keycloak, for an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "<group>" and "system:authenticated"

      Examples:
        | configuration          | user             | group                  |
        | the OIDC flags         | {keycloak}#alice | platform-team          |
        | the configuration file | keycloak:alice   | keycloak:platform-team |

  Rule: One audience of several is enough

    @O7
    Scenario Outline: Alice's token is for two clusters, one with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak for "audience-listed-second"
      When she asks the API server who she is
      Then she is accepted as "<user>"

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {keycloak}#alice |
        | the configuration file | keycloak:alice   |

    @O7
    Scenario: The issuer names an audience that is one of two configured
      Given Alice holds a token of the issuer "rs256" with the claim
        | aud | kubernetes-too |
      When she asks the API server who she is
      Then she is accepted as "rs256:alice"

  Rule: Groups may be a list, a single text, or missing

    @O16
    Scenario Outline: Alice's only group is a text, for an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak for "groups-as-string"
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in the group "<group>"

      Examples:
        | configuration          | user             | group                  |
        | the OIDC flags         | {keycloak}#alice | platform-team          |
        | the configuration file | keycloak:alice   | keycloak:platform-team |

    @O18
    Scenario Outline: Alice's token names no groups, for an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak for "without-groups"
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the group "system:authenticated"

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {keycloak}#alice |
        | the configuration file | keycloak:alice   |

  Rule: Several issuers are trusted side by side, each with its own algorithm, claims and prefixes

    @O1 @O19 @G3
    Scenario Outline: Alice holds a token of the issuer "<issuer>"
      Given Alice holds a token of the issuer "<issuer>" with the claim
        | groups | ["platform-team", "on-call"] |
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "<first>", "<second>" and "system:authenticated"

      Examples:
        | issuer | user        | first               | second        |
        | rs256  | rs256:alice | rs256:platform-team | rs256:on-call |
        | es256  | alice       | platform-team       | on-call       |

  Rule: What a token's holder may do is decided by name and by group, prefixes included

    @O1 @O19
    Scenario Outline: Alice may by her name, at an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak
      And the user "<user>" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "<user>"
      But she may not list secrets

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {keycloak}#alice |
        | the configuration file | keycloak:alice   |

    @O16 @O19
    Scenario Outline: Alice may by her group, at an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in to Keycloak
      And the group "<group>" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "<user>"
      But she may not list secrets

      Examples:
        | configuration          | user             | group                  |
        | the OIDC flags         | {keycloak}#alice | platform-team          |
        | the configuration file | keycloak:alice   | keycloak:platform-team |

    @O19
    Scenario: A right without the prefix is nobody's
      Given Alice has logged in to Keycloak
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is refused as forbidden, because 'User "keycloak:alice" cannot list resource "configmaps"'
