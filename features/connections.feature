@connection
Feature: The API server names its CAs, closes connections of unauthenticated clients, and sees only what reaches it

  Rule: The API server names the CAs whose certificates it accepts to anyone who connects

    @F14
    Scenario: Mallory starts a TLS handshake without a certificate
      When Mallory starts a TLS handshake without a certificate
      Then the API server has named the authorities of client certificates and of front proxies

  Rule: An unauthenticated client's connection is closed after one response

    @F7
    Scenario: The connection of Bob's anonymous request is closed
      Given Bob holds no credential
      When he asks the API server who he is, over an HTTP/2 connection
      Then the response has the status 403, and the API server closes the connection
      But Alice, with a client certificate, gets two responses over one connection

    @F7
    Scenario: The connection of Mallory's invalid token is closed
      Given Mallory presents a made-up token
      When she asks the API server who she is, over an HTTP/2 connection
      Then the response has the status 401, and the API server closes the connection
      But Alice, with a client certificate, gets two responses over one connection

  Rule: A load balancer that ends TLS keeps its clients' certificates from the API server

    @F16
    @requires:anonymous_requests
    Scenario: Alice is anonymous when her certificate ends at a load balancer
      Given all requests go through a load balancer that ends TLS
      And Alice holds a client certificate
      When she asks the API server who she is
      Then she is refused as forbidden, because "system:anonymous"
      But she is accepted as "alice" by the API server itself

    @F16
    @requires:anonymous_requests
    Scenario: Alice is anonymous when the front proxy's certificate ends at a load balancer
      Given all requests go through a load balancer that ends TLS
      And the front proxy announces Alice
      When she asks the API server who she is
      Then she is refused as forbidden, because "system:anonymous"
      But she is accepted as "alice" by the API server itself

    @F16
    Scenario: Alice's token reaches the API server through a load balancer
      Given all requests go through a load balancer that ends TLS
      And Alice holds a token of the issuer "rs256"
      When she asks the API server who she is
      Then she is accepted as "rs256:alice"
