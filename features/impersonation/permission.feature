@impersonation
Feature: Each part of an impersonated identity needs a permission

  Background:
    Given Alice is a support engineer

  Rule: User, service account, groups, UID and extra are permitted separately

    @I2
    Scenario Outline: Alice cannot impersonate <whom> if she may only impersonate Bob
      Given Alice may impersonate the user "bob"
      And she has impersonated the user "bob" before
      And she impersonates <whom>
      When she asks the API server who she is
      Then she is refused as forbidden, because 'cannot impersonate resource <resource>'
      But she may still act as the user "bob"

      Examples:
        | whom                                             | resource                                                                      |
        | the user "carol"                                 | "users" in API group "" at the cluster scope                                  |
        | the service account "deployer"                   | "serviceaccounts" in API group "" in the namespace                            |
        | the user "bob" in the group "on-call"            | "groups" in API group "" at the cluster scope                                 |
        | the user "bob" with the UID "4711"               | "uids" in API group "authentication.k8s.io" at the cluster scope              |
        | the user "bob" with the extra "scopes" of "view" | "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope |

  Rule: A request is refused if one part of the identity is not permitted

    @I9
    Scenario: Alice cannot impersonate Bob with two scopes if only one is permitted
      Given Alice may impersonate the user "bob" with the extra "scopes" of "view"
      And she has impersonated the user "bob" before
      And she impersonates the user "bob" with the extra "scopes" of "view" and "edit"
      When she asks the API server who she is
      Then she is refused as forbidden, because 'userextras.authentication.k8s.io "edit" is forbidden'
      But she may still act as the user "bob" with the extra "scopes" of "view"

  Rule: Groups, a UID or extra cannot be impersonated without a user

    @I3 @K11
    Scenario Outline: Alice cannot impersonate <whom>
      Given Alice may impersonate the user "bob" <part>
      And she impersonates <whom>
      When she asks the API server who she is
      Then the impersonation is refused as incomplete, because "without impersonating a user"
      But she may still act as the user "bob" <part>

      Examples:
        | whom                                     | part                              |
        | nobody in the group "on-call"            | in the group "on-call"            |
        | nobody with the UID "4711"               | with the UID "4711"               |
        | nobody with the extra "scopes" of "view" | with the extra "scopes" of "view" |

  Rule: With an ordinary permission, even a cluster administrator can be impersonated

    @K7
    Scenario: Alice impersonates Bob in the group system:masters
      Given Alice may impersonate the user "bob" in the group "system:masters"
      And she impersonates the user "bob" in the group "system:masters"
      When she asks to list secrets
      Then she is accepted as "bob"
      And she is in the group "system:masters"
