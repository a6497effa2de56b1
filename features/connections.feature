@connection
Feature: A connection tells something before anybody has said who they are, and ends with who stays unknown

  Rule: The API server names the authorities whose certificates it accepts, to everybody

    @F14
    Scenario: Mallory listens
      When Mallory begins to speak with the API server, and says nothing of herself
      Then the API server has named the authorities of clients and of front proxies

  Rule: Who is unknown gets one answer, not a connection for many

    @F7
    Scenario: Bob is anonymous
      Given Bob holds no credential
      When he asks the API server who he is, over a connection for many requests
      Then the answer is 403, and the API server ends the connection
      But Alice, with a client certificate, is answered twice over one connection

    @F7
    Scenario: Mallory's token is made up
      Given Mallory carries a made-up token
      When she asks the API server who she is, over a connection for many requests
      Then the answer is 401, and the API server ends the connection
      But Alice, with a client certificate, is answered twice over one connection
