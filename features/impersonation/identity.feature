@impersonation
Feature: A caller who impersonates a user is treated as that user

  Background:
    Given Alice is a support engineer

  Rule: The request is the impersonated user's, and the audit event names both users

    @I1
    Scenario: Alice impersonates Bob
      Given Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And she is in exactly the groups "system:authenticated"
      And the audit event says that Alice impersonated "bob"

    @I10
    Scenario: Alice impersonates Bob with his UID
      Given Alice may impersonate the user "bob" with the UID "4711"
      And she impersonates the user "bob" with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "bob"
      And she has the UID "4711"
      And the audit event says that Alice impersonated "bob"

    @I8
    Scenario Outline: Alice impersonates Bob with <extra>
      Given Alice may impersonate the user "bob" with <extra>
      And she impersonates the user "bob" with <extra>
      When she asks the API server who she is
      Then she is accepted as "bob"
      And she has the extra "<key>" with "view"

      Examples:
        | extra                                     | key                |
        | the extra "scopes" of "view"              | scopes             |
        | the extra "example.com/scopes" of "view"  | example.com/scopes |
        | the unescaped extra "almost%zz" of "view" | almost%zz          |

  Rule: The request is authorized by the impersonated name and groups alone

    @I1
    Scenario: Alice may do what Bob may do
      Given Alice may impersonate the user "bob"
      And the user "bob" may list configmaps
      And she impersonates the user "bob"
      When she asks to list configmaps
      Then she is accepted as "bob"
      But she may not list secrets

    @I1
    Scenario: Alice may do what the impersonated group may do
      Given Alice may impersonate the user "bob" in the group "on-call"
      And the group "on-call" may list configmaps
      And she impersonates the user "bob" in the group "on-call"
      When she asks to list configmaps
      Then she is accepted as "bob"
      But she may not list secrets

    @I1
    Scenario: Alice's own rights do not count while she impersonates Bob
      Given the group "support-engineers" may list secrets
      And Alice may impersonate the user "bob"
      And she impersonates the user "bob"
      When she asks to list secrets
      Then she is refused as forbidden, because 'User "bob" cannot list resource "secrets"'
      But she may list secrets as herself

  Rule: An impersonated service account has its own groups, unless the request names groups

    @I4
    Scenario: Alice impersonates the deployer
      Given Alice may impersonate the service account "deployer"
      And she impersonates the service account "deployer"
      When she asks the API server who she is
      Then she is accepted as the deployer's service account
      And she is in the groups of service accounts and in no other

    @I5
    Scenario: Alice impersonates the deployer in another group
      Given Alice may impersonate the service account "deployer" in the group "on-call"
      And she impersonates the service account "deployer" in the group "on-call"
      When she asks the API server who she is
      Then she is in exactly the groups "on-call" and "system:authenticated"

  Rule: An impersonated user is in the group system:authenticated, unless the request is for an unauthenticated one

    Scenario Outline: Alice impersonates <whom>
      Given Alice may impersonate <whom>
      And the group "<decisive>" may list configmaps
      And she impersonates <whom>
      When she asks to list configmaps
      Then she is in exactly the groups <groups>
      And the audit event names each of the impersonated user's groups once

      @I6
      Examples: A user with a name
        | whom                                                 | decisive               | groups                               |
        | the user "bob" in the group "on-call"                | system:authenticated   | "on-call" and "system:authenticated" |
        | the user "bob" in the group "system:authenticated"   | system:authenticated   | "system:authenticated"               |
        | the user "bob" in the group "system:unauthenticated" | system:unauthenticated | "system:unauthenticated"             |

      @I7
      Examples: The anonymous user
        | whom                                                              | decisive               | groups                   |
        | the user "system:anonymous"                                       | system:unauthenticated | "system:unauthenticated" |
        | the user "system:anonymous" in the group "system:unauthenticated" | system:unauthenticated | "system:unauthenticated" |
