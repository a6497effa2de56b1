@connection
Feature: The API server names its CAs to every client, and closes connections of unauthenticated ones

  Rule: The API server names the CAs whose certificates it accepts to anyone who connects

    @F14
    Scenario: Mallory starts a TLS handshake without a certificate
      When Mallory begins to speak with the API server, and says nothing of herself
      Then the API server has named the authorities of clients and of front proxies

  Rule: An unauthenticated client's connection is closed after one response

    @F7
    Scenario: The connection of Bob's anonymous request is closed
      Given Bob holds no credential
      When he asks the API server who he is, over a connection for many requests
      Then the answer is 403, and the API server ends the connection
      But Alice, with a client certificate, is answered twice over one connection

    @F7
    Scenario: The connection of Mallory's invalid token is closed
      Given Mallory presents a made-up token
      When she asks the API server who she is, over a connection for many requests
      Then the answer is 401, and the API server ends the connection
      But Alice, with a client certificate, is answered twice over one connection
