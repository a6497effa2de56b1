@connection
Feature: The API server names its CAs to every client, and closes connections of unauthenticated ones

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
