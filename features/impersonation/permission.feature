@impersonation
Feature: Every part of an impersonated identity takes a permission

  Background:
    Given Alice is a support engineer

  Rule: User, service account, groups, UID and extras are permitted one by one

    @I2
    Scenario Outline: Alice may impersonate Bob, but not <whom>
      Given Alice may impersonate the user "bob"
      And she has impersonated the user "bob" before
      And she impersonates <whom>
      When she asks the API server who she is
      Then she is refused as forbidden, because 'cannot impersonate resource <resource>'
      But impersonating the user "bob", she is accepted as "bob"

      Examples:
        | whom                                             | resource                                                                      |
        | the user "carol"                                 | "users" in API group "" at the cluster scope                                  |
        | the service account "deployer"                   | "serviceaccounts" in API group "" in the namespace                            |
        | the user "bob" in the group "on-call"            | "groups" in API group "" at the cluster scope                                 |
        | the user "bob" with the UID "4711"               | "uids" in API group "authentication.k8s.io" at the cluster scope              |
        | the user "bob" with the extra "scopes" of "view" | "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope |

  Rule: One part that is not permitted is enough

    @I9
    Scenario: Alice may impersonate Bob with one of two scopes
      Given Alice may impersonate the user "bob" with the extra "scopes" of "view"
      And she has impersonated the user "bob" before
      And she impersonates the user "bob" with the extra "scopes" of "view" and "edit"
      When she asks the API server who she is
      Then she is refused as forbidden, because 'userextras.authentication.k8s.io "edit" is forbidden'
      But impersonating the user "bob" with the extra "scopes" of "view", she is accepted as "bob"

  Rule: Nothing is impersonated without a user

    @I3 @K11
    Scenario Outline: Alice impersonates <whom>
      Given Alice may impersonate the user "bob" <part>
      And she impersonates <whom>
      When she asks the API server who she is
      Then the impersonation is refused as incomplete, because "without impersonating a user"
      But impersonating the user "bob" <part>, she is accepted as "bob"

      Examples:
        | whom                                     | part                              |
        | nobody in the group "on-call"            | in the group "on-call"            |
        | nobody with the UID "4711"               | with the UID "4711"               |
        | nobody with the extra "scopes" of "view" | with the extra "scopes" of "view" |

  Rule: Who may impersonate without constraint may impersonate even cluster administrators

    @K7
    Scenario: Alice puts Bob above all rules
      Given Alice may impersonate the user "bob" in the group "system:masters"
      And she impersonates the user "bob" in the group "system:masters"
      When she asks to list secrets
      Then she is accepted as "bob"
      And she is in the group "system:masters"
