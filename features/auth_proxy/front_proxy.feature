@auth-proxy
Feature: The API server trusts what its front proxy says about a caller

  The front proxy authenticates callers itself. With a certificate of its own it then *announces* them: it says in headers,
  request by request, on whose behalf it calls.

  Rule: The caller is the user whom the front proxy announces, with the announced groups

    @P1
    Scenario: Alice is announced
      Given the front proxy announces Alice
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
      And she has no UID

    @P1
    Scenario: The first of two announced names counts
      Given the front proxy announces Alice with the second name "bob"
      When she asks the API server who she is
      Then she is accepted as "alice"

    @P2
    Scenario: Alice is announced in two groups
      Given the front proxy announces Alice in the groups "platform-team" and "on-call"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team", "on-call" and "system:authenticated"

    @P2
    Scenario: Dana is announced in the group system:masters
      Given the front proxy announces Dana in the group "system:masters"
      When she asks to list secrets
      Then she is accepted as "da-admin"
      And she is in the group "system:masters"

  Rule: The key of announced extra is stored in lower case, and percent-decoded once

    @P3
    Scenario Outline: Extra that is announced as <announced> is stored as <stored>
      Given the front proxy announces Alice with the extra "<announced>" of "blue" and "green"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the extra "<stored>" with "blue" and "green"

      Examples:
        | announced             | stored              |
        | Shift                 | shift               |
        | example.com%2Fshift   | example.com/shift   |
        | example.com%252Fshift | example.com%2fshift |
        | half%shift            | half%shift          |

  Rule: An announced UID counts if the API server is configured to read it

    @P4
    @requires:remote_uid_header
    Scenario: Alice has the announced UID
      Given the front proxy announces Alice with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

    @P4
    Scenario: Alice has no UID at an API server that reads none
      Given an API server with no UIDs from the front proxy
      And the front proxy announces Alice with the UID "4711"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has no UID

  Rule: A request is authorized by the announced name and groups

    @P1
    Scenario: Alice is authorized by the announced name
      Given the front proxy announces Alice
      And the user "alice" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

    @P2
    Scenario: Alice is authorized by the announced group
      Given the front proxy announces Alice in the group "platform-team"
      And the group "platform-team" may list configmaps
      When she asks to list configmaps
      Then she is accepted as "alice"
      But she may not list secrets

  Rule: An announcement counts only with the front proxy's certificate

    Scenario Outline: Mallory is refused when she announces Alice with <what>
      Given Mallory announces Alice with <what>
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "<reason>"
      But Alice, with a valid announcement, is still accepted

      @P6
      Examples: Another name
        | what                                                   | reason                                                   |
        | a certificate of the front proxy's CA for another name | x509: subject with cn=mallory is not in the allowed list |

      @P6
      Examples: A similar name
        | what                                                                                            | reason                                                              |
        | a certificate of the front proxy's CA for the front proxy's name in capitals                    | x509: subject with cn=FRONT-PROXY-CLIENT is not in the allowed list |
        | a certificate of the front proxy's CA for the beginning of the front proxy's name               | x509: subject with cn=front-proxy is not in the allowed list        |
        | a certificate of the front proxy's CA for another name and the front proxy's as an organization | x509: subject with cn=mallory is not in the allowed list            |

      @P8
      Examples: Another CA
        | what                                                                 | reason                                                                   |
        | a certificate of an unknown CA                                       | x509: certificate signed by unknown authority, verifying certificate SN= |
        | a certificate of a CA with the front proxy CA's name and another key | x509: ECDSA verification failure                                         |

      @P8
      Examples: Expired
        | what                                      | reason                                            |
        | an expired certificate of the front proxy | x509: certificate has expired or is not yet valid |

    @P8 @P9
    Scenario Outline: Mallory is accepted as "<user>" when she announces Alice with <what>
      Given Mallory announces Alice with <what>
      When she asks the API server who she is
      Then she is accepted as "<user>"
      And she is in exactly the groups "system:authenticated"
      But Alice, with a valid announcement, is still accepted

      Examples:
        | what                                           | user               |
        | a client certificate of her own                | mallory            |
        | a client certificate in the front proxy's name | front-proxy-client |
        | a token of her own                             | rs256:mallory      |

    @P9
    Scenario: Mallory is anonymous when she announces Alice without a credential
      Given Mallory announces Alice with nothing of her own
      When she asks the API server who she is
      Then she is refused as forbidden, because "system:anonymous"
      But Alice, with a valid announcement, is still accepted

  Rule: Announced groups without a name authenticate nobody

    @P10
    Scenario: Alice is refused if the front proxy announces only her group
      Given the front proxy announces only that Alice is in the group "platform-team"
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, with a valid announcement, is still accepted

    @P10
    Scenario: Alice is accepted by her token if the front proxy announces only her group
      Given the front proxy announces only that Alice is in the group "platform-team"
      And she also presents a token of the issuer "rs256"
      When she asks the API server who she is
      Then she is accepted as "rs256:alice"
      And she is in exactly the groups "system:authenticated"

  Rule: Names that only resemble the configured ones announce nothing

    @P18
    Scenario: Alice is refused if the front proxy announces her by similar names alone
      Given the front proxy announces Alice in the group "platform-team" by similar names alone
      When she asks the API server who she is
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, with a valid announcement, is still accepted

    @P18
    Scenario: Alice has nothing of what is announced beside her by similar names
      Given the front proxy announces Alice, and by similar names Dana in the group "system:masters"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "system:authenticated"
      And she has no UID
      And she has no extra

  Rule: Of several names for a header, the first that is there names the user, and all of them add groups and extra

    @P19
    Scenario: Alice is announced by further names alone
      Given an API server with front proxies of any name
      And the front proxy announces Alice in the group "platform-team" by further names alone
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team" and "system:authenticated"
      And she has the extra "shift" with "night"

    @P19
    Scenario: Alice is announced by the standard name, and Bob in a group by further names
      Given an API server with front proxies of any name
      And the front proxy announces Alice, and by further names Bob in the group "platform-team"
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team" and "system:authenticated"
      And she has the extra "shift" with "night"

    @P19
    @requires:remote_uid_header
    Scenario: Alice's UID is announced by a further name
      Given an API server with front proxies of any name
      And the front proxy announces Alice in the group "platform-team" by further names alone
      When she asks the API server who she is
      Then she is accepted as "alice"
      And she has the UID "4711"

  Rule: If no name is configured for the front proxy, every certificate of its CA counts

    @P7
    Scenario: Mallory announces Alice to an API server that allows any name
      Given an API server with front proxies of any name
      And Mallory announces Alice with a certificate of the front proxy's CA for another name
      When she asks the API server who she is
      Then she is accepted as "alice"

  Rule: An API server does not start with unusable names for the front proxy or its headers

    @P5
    @requires:remote_uid_header
    Scenario: An API server refuses to start if it reads UIDs only under another name
      When Dana starts an API server with UIDs of the front proxy under another name alone
      Then the API server refuses to start, because "--requestheader-uid-headers is set without specifying the standard X-Remote-Uid header - API aggregation will not work"
      But Alice, with a client certificate, is accepted

    @P11
    Scenario: An API server refuses to start if the front proxy's name is blank
      When Dana starts an API server with a blank for the front proxy's name
      Then the API server refuses to start, because 'empty value in "requestheader-allowed-names"'
      But Alice, with a client certificate, is accepted

  Rule: A CA of clients and front proxies demands the front proxy's name

    @P16
    @requires:overlapping_authorities_refused
    Scenario: An API server refuses to start if every client of its CA could be a front proxy
      When Dana starts an API server with one CA for clients and for front proxies of any name
      Then the API server refuses to start, because "--requestheader-client-ca-file and --client-ca-file contain overlapping certificates"
      But Alice, with a client certificate, is accepted

  Rule: A front proxy's CA is trusted as soon as it is in the file, and aggregated APIs learn of it

    @P12 @P13
    Scenario: The CA of another front proxy becomes trusted while the API server runs
      Given a front proxy of a new CA announces Alice, and is refused
      When the new CA is added to the API server's front proxy CA file
      Then she, who asks the API server who she is, is soon accepted as "alice"
      And aggregated API servers are told the new CA, and the front proxy's name and headers

  Rule: A certificate counts both ways if the front proxy's CA is a client CA, too

    @X19 @F11
    Scenario: Mallory's certificate authenticates her, and still lets her announce Alice
      Given an API server with front proxies of any name
      And Mallory holds a certificate of the front proxy's CA, and is refused with it
      When the front proxy's CA is added to the API server's client CA file
      Then she, who asks the API server who she is, is soon accepted as "mallory"
      And announcing Alice with the same certificate, she is accepted as "alice"
