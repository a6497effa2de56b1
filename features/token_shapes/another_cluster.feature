@structured-configuration @oidc
Feature: Kubernetes: service accounts of another cluster

  Background:
    Given an API server with the issuers of known providers

  Rule: A service account of another cluster has a prefix here

    @TS1
    Scenario: The deployer of the other cluster is accepted under the prefix of that cluster
      Given the deployer holds a token of the issuer "kubernetes"
      When it asks the API server who it is
      Then it is accepted as "cluster-b:system:serviceaccount:ci:deployer"
      And it is in exactly the groups "cluster-b:ci" and "system:authenticated"
      And it has no UID
      And it has no extra "authentication.kubernetes.io/pod-name"

    @TS4
    Scenario: The other cluster's deployer has the name of this cluster's own if there is no prefix
      Given the deployer holds a token of the issuer "cluster-b-without-prefix"
      When it asks the API server who it is
      Then it is accepted as "system:serviceaccount:ci:deployer"
      And it is not in the group "system:serviceaccounts"

    @TS4
    Scenario: Mallory is a component of this cluster if the other cluster says so and there is no prefix
      Given Mallory holds a token of the issuer "cluster-b-without-prefix" with the claim
        | sub | system:kube-controller-manager |
      When she asks the API server who she is
      Then she is accepted as "system:kube-controller-manager"

    @TS2 @G22
    @requires:server_log
    Scenario: The other cluster's deployer is refused if names of the system are reserved
      Given the deployer holds a token of the issuer "cluster-b-reserved-names"
      When it asks the API server who it is
      Then it is refused as unauthenticated, because "failed: names of the system are reserved"
      But the deployer, with a valid token, is still accepted

  Rule: A token of another cluster is for this cluster, and from one namespace

    @TS2
    @requires:server_log
    Scenario Outline: A token of the other cluster is refused if it is <token>
      Given the deployer holds a token of the issuer "kubernetes" with the claim
        | <claim> | <value> |
      When it asks the API server who it is
      Then it is refused as unauthenticated, because '<reason>'
      But the deployer, with a valid token, is still accepted

      Examples:
        | token                        | claim | value                             | reason                                                                                  |
        | for the other cluster itself | aud   | ["https://cluster-b.example.com"] | expected audience "https://cluster-a.example.com" got ["https://cluster-b.example.com"] |

      @G21
      Examples: Another namespace
        | token                  | claim         | value                    | reason                                         |
        | from another namespace | kubernetes.io | {"namespace": "default"} | failed: only for the namespace ci of cluster-b |
