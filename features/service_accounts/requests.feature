@service-account
Feature: Service account tokens are requested, and the API server checks each request

  Background:
    Given Dana holds a client certificate with the organization "system:masters"

  Rule: A token is given only for a service account that exists

    @S2
    Scenario: A token of a service account that does not exist is refused
      When she asks for a token of a service account that does not exist
      Then the request is refused as bad, because 'serviceaccounts "nobody" not found'
      But asking for a token of the deployer, she is given one

  Rule: A token is bound only to a pod that exists and runs as the service account

    @S7
    Scenario Outline: A token bound to <wrong pod> is refused
      When she asks for a token of the deployer bound to <wrong pod>
      Then the request is refused as bad, because '<reason>'
      But asking for a token of the deployer bound to its pod, she is given one

      Examples:
        | wrong pod                          | reason                                          |
        | a pod that does not exist          | pods "missing" not found                        |
        | its pod under another UID          | does not match the UID in record                |
        | the pod of another service account | pod running with different serviceaccount name |

  Rule: A token lives no longer than the API server allows

    @S20
    Scenario: A token requested for 8 days lives for 7
      When she asks for a token of the deployer for 8 days
      Then the token lives for 7 days
      And she is warned that "requested expiration of 691200 seconds shortened to 604800 seconds"

    @S20
    Scenario: A token requested for 7 days lives for 7
      When she asks for a token of the deployer for 7 days
      Then the token lives for 7 days

  Rule: A request must not contradict the service account that it is for

    Scenario Outline: A request that names <other> is refused
      When she asks for a token of the deployer but names <other>
      Then the request is refused as bad, because "<reason>"
      But asking for a token of the deployer, she is given one

      @S3
      Examples: Name
        | other                   | reason                                             |
        | another service account | must match the service account name if specified |

      @S4
      Examples: Namespace
        | other             | reason                       |
        | another namespace | does not match the namespace |

      @S5 @requires:token_request_uid
      Examples: UID
        | other       | reason                                        |
        | another UID | does not match the UID of the service account |

    @S5
    @requires:token_request_uid
    Scenario: A request that names another UID is accepted with a warning where the check is switched off
      Given an API server with UIDs of token requests switched off
      When she asks for a token of the deployer but names another UID
      Then the token is created
      And she is warned that "In the future, this will return a conflict error"

  Rule: A pod's token for 3607 seconds lives for a year, and is to be renewed after that time

    Kubelets ask for just this time. The year is for clients that read the token only once.

    @S21
    Scenario: A pod's token for 3607 seconds lives for a year
      When she asks for a token of the deployer bound to its pod for 3607 seconds
      Then the token lives for 365 days, to be renewed after 3607 seconds

    @S21
    Scenario: A pod's token for 3608 seconds lives for 3608 seconds
      When she asks for a token of the deployer bound to its pod for 3608 seconds
      Then the token lives for 3608 seconds

    @S21
    Scenario: A pod's token for the vault and 3607 seconds lives for 3607 seconds
      When she asks for a token of the deployer bound to its pod for the audience "vault" for 3607 seconds
      Then the token lives for 3607 seconds

  Rule: The audit log names each token that is given

    @S23
    Scenario: The audit event of a request has the new token's id
      When she asks for a token of the deployer
      Then the audit event has the id of the token that was created

  Rule: A service account that insists on its mountable Secrets is created with a warning

    @S27
    @requires:mountable_secrets_deprecated
    Scenario: Dana is warned when she creates a service account of the old kind
      When she creates a service account that insists on its mountable Secrets
      Then the service account is created
      And she is warned that "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
