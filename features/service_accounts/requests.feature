@service-account
@requires:administrator @requires:cluster_signing_key
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
