@service-account
Feature: The API server checks a kubelet's certificate when it passes a request on

  Background:
    Given an API server with kubelets whose certificates it checks
    And Dana holds a client certificate with the organization "system:masters"

  Rule: A kubelet's certificate is of the kubelets' CA, and for the address of its node

    @R14
    Scenario: Dana is given a log by a kubelet with a certificate in the node's name
      Given the kubelet of the deployer's node serves with a certificate in the node's name
      When she asks for the log of the deployer's pod
      Then she is accepted as "da-admin"
      And she is given the log by the kubelet

    @R14
    Scenario: Dana is given no log by a kubelet with a certificate of an unknown CA
      Given the kubelet of the deployer's node serves with a certificate of an unknown CA
      When she asks for the log of the deployer's pod
      Then she is refused with an internal error, because "x509: certificate signed by unknown authority"
      But she is given the log once the kubelet serves with a certificate in the node's name

  Rule: The name of the node in the certificate is not compared, in any version so far

    @R8
    Scenario: Dana is given a log by a kubelet with a certificate in another node's name
      Given the kubelet of the deployer's node serves with a certificate in another node's name
      When she asks for the log of the deployer's pod
      Then she is accepted as "da-admin"
      And she is given the log by the kubelet
