@auth-proxy
Feature: The API server believes what its front proxy says of people

  The front proxy authenticates people itself. With a certificate of its own it then announces, request by request, on
  whose behalf it calls.

  Rule: Whom the front proxy announces is who calls

    @P1
    Scenario: Alice is announced
      Given the front proxy announces Alice
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
      And she has no UID

    @P1
    Scenario: Of two who are announced, the first one counts
      Given the front proxy announces Alice first and Bob second
      When she asks the API server who she is
      Then she is accepted as "alice"

    @P2
    Scenario: Alice is announced in two groups
      Given the front proxy announces Alice in the groups "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

    @P2
    Scenario: Dana is announced in the group that is above all rules
      Given the front proxy announces Dana in the group "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And she is in the group "system:masters"

  Rule: Whatever else the front proxy announces is kept under a key in lower case, with its escapes undone once

    @P3
    Scenario Outline: What is announced as <announced> is kept as <kept>
      Given the front proxy announces Alice with the extra "<announced>" of "blue" and "green"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the extra "<kept>" with "blue" and "green"

      Examples:
        | announced             | kept                |
        | Shift                 | shift               |
        | example.com%2Fshift   | example.com/shift   |
        | example.com%252Fshift | example.com%2fshift |
        | half%shift            | half%shift          |

  Rule: A UID counts where the API server was told to listen for it

    @P4
    @requires:remote_uid_header
    Scenario: Alice is announced with her UID
      Given the front proxy announces Alice with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @P4
    Scenario: Nobody told the API server of UIDs
      Given an API server with no UIDs from the front proxy
      And the front proxy announces Alice with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

  Rule: Who is announced may do what their name and their groups may

    @P1
    Scenario: Alice may by the name she is announced with
      Given the front proxy announces Alice
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @P2
    Scenario: Alice may by the group she is announced in
      Given the front proxy announces Alice in the group "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

  Rule: Nobody else can announce anybody

    Scenario Outline: Mallory announces Alice with <what>, and is refused
      Given Mallory announces Alice with <what>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, whose announcement is sound, is still accepted

      @P6
      Examples: The right authority, but another name
        | what                                                          | reason                                                   |
        | a certificate of the front proxy's authority for another name | x509: subject with cn=mallory is not in the allowed list |

      @P8
      Examples: No authority that counts
        | what                                                        | reason                                                                   |
        | a certificate of a stranger's authority                     | x509: certificate signed by unknown authority, verifying certificate SN= |
        | a certificate of an impostor of the front proxy's authority | x509: ECDSA verification failure                                         |

      @P8
      Examples: Too late
        | what                                      | reason                                            |
        | an expired certificate of the front proxy | x509: certificate has expired or is not yet valid |

    @P8 @P9
    Scenario Outline: Mallory announces Alice with <what>, and is taken for who she is
      Given Mallory announces Alice with <what>
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "system:authenticated"
      But Alice, whose announcement is sound, is still accepted

      Examples:
        | what                                           | user               |
        | a client certificate of her own                | mallory            |
        | a client certificate in the front proxy's name | front-proxy-client |
        | a token of her own                             | rs256:mallory      |

    @P9
    Scenario: Mallory announces Alice with nothing, and is anonymous
      Given Mallory announces Alice with nothing of her own
      When she asks the API server who she is
      Then she is refused as forbidden, because "system:anonymous"
      But Alice, whose announcement is sound, is still accepted

  Rule: An announcement without a name announces nobody

    @P10
    Scenario: The front proxy forgets Alice's name
      Given the front proxy announces only that Alice is in the group "platform-team"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, whose announcement is sound, is still accepted

    @P10
    Scenario: The front proxy forgets Alice's name, but not her token
      Given the front proxy announces only that Alice is in the group "platform-team", and passes on her own token
      When she asks the API server who she is
      Then she is accepted as "rs256:alice"
      And she is in exactly the groups "system:authenticated"

  Rule: Where no name is asked of a front proxy, every certificate of its authority will do

    @P7
    Scenario: Mallory announces Alice to an API server that asks for no name
      Given an API server with front proxies of any name
      And Mallory announces Alice with a certificate of the front proxy's authority for another name
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: An API server does not start with names that mean nobody

    @P5
    @requires:remote_uid_header
    Scenario: UIDs come under another name alone
      When Dana starts an API server with UIDs of the front proxy under another name alone
      Then the API server refuses to start, because "--requestheader-uid-headers is set without specifying the standard X-Remote-Uid header - API aggregation will not work"
      But Alice, with a client certificate, is accepted

    @P11
    Scenario: The front proxy's name is a blank
      When Dana starts an API server with a blank for the front proxy's name
      Then the API server refuses to start, because 'empty value in "requestheader-allowed-names"'
      But Alice, with a client certificate, is accepted

  Rule: The authorities of front proxies are those that the API server trusts now, and it tells aggregated APIs of them

    @P12 @P13
    Scenario: The authority of another front proxy comes to be trusted while the API server runs
      Given a front proxy of a new authority announces Alice, and is refused
      When the new authority is added to the API server's front proxy authorities
      Then she, who asks the API server who she is, is soon accepted as "alice"
      And aggregated APIs are told of the new authority, and of the front proxy's name and headers

  Rule: An authority of front proxies that is one of clients, too, opens both doors

    @X19 @F11
    Scenario: Mallory's certificate comes to be a client's, and still announces others
      Given an API server with front proxies of any name
      And Mallory holds a certificate of the front proxy's authority, and is refused with it
      When the front proxy's authority is added to the API server's client authorities
      Then she, who asks the API server who she is, is soon accepted as "mallory"
      And announcing Alice with the same certificate, she is accepted as "alice"
