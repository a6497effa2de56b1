@service-account
Feature: Tokens of service accounts are asked for

  Rule: A token is given only for a service account that exists

    @S2
    Scenario: Dana asks for nobody's token
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of a service account that does not exist
      Then the request is refused as bad, because 'serviceaccounts "nobody" not found'
      But she is given a token of the deployer

  Rule: A token is bound only to a pod that exists and runs as the service account

    @S7
    Scenario Outline: Dana asks for a token that is bound to <wrong pod>
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer that is bound to <wrong pod>
      Then the request is refused as bad, because '<reason>'
      But she is given a token that is bound to the deployer's own pod

      Examples:
        | wrong pod                          | reason                                          |
        | a pod that does not exist          | pods "missing" not found                        |
        | its pod under another UID          | does not match the UID in record                |
        | the pod of another service account | pod running with different serviceaccount name |

  Rule: A token lives no longer than the API server allows

    @S20
    Scenario: Dana asks for too long a life
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer that is good for 8 days
      Then she is given one that is good for 7 days
      And she is warned that "requested expiration of 691200 seconds shortened to 604800 seconds"

    @S20
    Scenario: Dana asks for a life as long as is allowed
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer that is good for 7 days
      Then she is given one that is good for 7 days

  Rule: What a request says of its service account must be so

    Scenario Outline: Dana's request has <wrong> in it
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer with <wrong> in it
      Then the request is refused as bad, because "<reason>"
      But she is given a token of the deployer

      @S3
      Examples: Name
        | wrong                               | reason                                             |
        | the name of another service account | must match the service account name if specified |

      @S4
      Examples: Namespace
        | wrong                         | reason                                                  |
        | the name of another namespace | does not match the namespace |

      @S5 @requires:token_request_uid
      Examples: UID
        | wrong                              | reason                                                                        |
        | the UID of another service account | the UID in the token request (somebody-else) does not match the UID of the service account |

    @S5
    @requires:token_request_uid
    Scenario: The UID is not compared where that is switched off
      Given an API server with UIDs of token requests switched off
      And Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer with the UID of another service account in it
      Then she is given a token of the deployer with a warning that "In the future, this will return a conflict error"

  Rule: A pod's token for 3607 seconds lives for a year, and is to be renewed after that time

    @S21
    Scenario: Dana asks for what kubelets ask for
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer's pod that is good for 3607 seconds
      Then she is given one that lives for 31536000 seconds, to be renewed after 3607

    @S21
    Scenario: Dana asks for a second more
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer's pod that is good for 3608 seconds
      Then she is given one that lives for 3608 seconds, and no longer

    @S21
    Scenario: Dana asks for the same for somebody else
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer's pod that is good for 3607 seconds, for the audience "vault"
      Then she is given one that lives for 3607 seconds, and no longer

  Rule: The audit log names each token that is given

    @S23
    Scenario: Dana's request is recorded with the token's id
      Given Dana holds a client certificate with the organization "system:masters"
      When she asks for a token of the deployer
      Then the audit event names the token that was given

  Rule: Who insists on mountable Secrets is told that it is out of date

    @S27
    @requires:mountable_secrets_deprecated
    Scenario: Dana makes a service account of the old kind
      Given Dana holds a client certificate with the organization "system:masters"
      When she makes a service account that insists on its mountable Secrets
      Then the service account is made
      And she is warned that "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
