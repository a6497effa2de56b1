@oidc
Feature: A token of a trusted issuer says who its holder is

  The API server takes user and groups from claims; which ones, and with which prefix, is its configuration.

  Rule: User and groups have the configured prefixes; without one, the user has the issuer's URL

    @O1 @O16 @O19
    Scenario Outline: A token of the identity provider is accepted by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "<group>" and "system:authenticated"

      Examples:
        | configuration          | user             | group                    |
        | the OIDC flags         | {issuer}#alice   | platform-team            |
        | the configuration file | {provider}:alice | {provider}:platform-team |

  Rule: One audience of several is enough

    @O7
    Scenario Outline: A token for two clusters is accepted by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider, and her token is for two clusters
      When she asks the API server who she is
      Then she is accepted as "<user>"

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {issuer}#alice   |
        | the configuration file | {provider}:alice |

    @O7
    Scenario: A token is accepted if its audience is one of two that are configured
      Given Alice holds a token of the issuer "rs256" with the claim
        | aud | kubernetes-too |
      When she asks the API server who she is
      Then she is accepted as "rs256:alice"

  Rule: The groups claim may be a list, a single string, or missing

    @O16
    Scenario Outline: A single group as a string is accepted by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider, and her token has its group as a string
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in the group "<group>"

      Examples:
        | configuration          | user             | group                    |
        | the OIDC flags         | {issuer}#alice   | platform-team            |
        | the configuration file | {provider}:alice | {provider}:platform-team |

    @O18
    Scenario Outline: A token without groups is accepted by an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider, and her token names no groups
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the group "system:authenticated"

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {issuer}#alice   |
        | the configuration file | {provider}:alice |

  Rule: Several issuers are trusted side by side, each with its own algorithm, claims and prefixes

    @O1 @O19 @G3
    Scenario Outline: A token of the issuer "<issuer>" gives Alice a user name and groups
      Given Alice holds a token of the issuer "<issuer>" with the claim
        | groups | ["platform-team", "on-call"] |
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "<first>", "<second>" and "system:authenticated"

      Examples:
        | issuer | user        | first               | second        |
        | rs256  | rs256:alice | rs256:platform-team | rs256:on-call |
        | es256  | alice       | platform-team       | on-call       |

  Rule: Permissions go to the user and to the groups with their prefixes

    @O1 @O19
    Scenario Outline: Alice is authorized by her user name at an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider
      And the user "<user>" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "<user>"
      But she may not list secrets

      Examples:
        | configuration          | user             |
        | the OIDC flags         | {issuer}#alice   |
        | the configuration file | {provider}:alice |

    @O16 @O19
    Scenario Outline: Alice is authorized by her group at an API server with <configuration>
      Given an API server with <configuration>
      And Alice has logged in at the identity provider
      And the group "<group>" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "<user>"
      But she may not list secrets

      Examples:
        | configuration          | user             | group                    |
        | the OIDC flags         | {issuer}#alice   | platform-team            |
        | the configuration file | {provider}:alice | {provider}:platform-team |

    @O19
    Scenario: A permission for a user name without the prefix is not Alice's
      Given Alice has logged in at the identity provider
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is refused as forbidden, because 'User "{provider}:alice" cannot list resource "configmaps"'
