@bearer
Feature: A bearer token can be a sub-protocol of a WebSocket

  Browsers cannot set the headers of a WebSocket, but they can name its sub-protocols.

  Rule: The API server reads the token, and chooses one of the other sub-protocols

    @WS1
    Scenario: The deployer watches over a WebSocket
      Given the deployer presents a service account token as a sub-protocol
      And its service account may watch configmaps
      When it watches configmaps over a WebSocket
      Then it is accepted as its service account
      And the WebSocket's protocol is the one that carries no token
      And each of three new configmaps reaches it before the next is created

  Rule: There must be exactly one token, correctly encoded, and another sub-protocol

    @requires:server_log
    Scenario Outline: Mallory is refused with a token <form>
      Given Mallory presents a service account token <form>
      And its service account may watch configmaps
      When she watches configmaps over a WebSocket
      Then she is refused as unauthenticated, with no other error than "<reason>"
      And the response does not reveal the reason
      But Mallory, who presents valid sub-protocols, may watch configmaps

      @WS2
      Examples: Two tokens
        | form                 | reason                                                |
        | as two sub-protocols | multiple base64.bearer.authorization tokens specified |

      @WS3
      Examples: Wrong encoding
        | form                                | reason                                             |
        | as a sub-protocol that is cut short | invalid base64.bearer.authorization token encoding |

      @WS4
      Examples: Not text
        | form                               | reason                                    |
        | as a sub-protocol that is not text | invalid base64.bearer.authorization token |

      @WS5
      Examples: No other sub-protocol
        | form                     | reason                         |
        | as the only sub-protocol | missing additional subprotocol |

  Rule: Without a WebSocket, sub-protocols are ignored

    @WS6
    @requires:anonymous_requests
    Scenario: The deployer is anonymous with a sub-protocol but no WebSocket
      Given the deployer presents a service account token as a sub-protocol
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
