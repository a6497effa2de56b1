@bearer
Feature: A bearer token can come as a sub-protocol of a WebSocket

  Browsers let nobody set a header of a WebSocket, but name its protocols.

  Rule: The token is taken out of the protocols, and one of the others is spoken

    @WS1
    Scenario: The deployer watches over a WebSocket
      Given the deployer carries a service account token as a sub-protocol
      And its service account may watch configmaps
      When it watches configmaps over a WebSocket
      Then it is accepted as its service account
      And the WebSocket's protocol is the one that carries no token
      And each of three new configmaps reaches it before the next one is made

  Rule: There is one token, in one spelling, beside another protocol

    @requires:server_log
    Scenario Outline: Mallory carries the token <carried>
      Given Mallory carries a service account token <carried>
      And its service account may watch configmaps
      When she watches configmaps over a WebSocket
      Then she is refused as unauthenticated, with no other error than "<reason>"
      And the response does not reveal the reason
      But Mallory, whose sub-protocols are sound, may watch configmaps over a WebSocket

      @WS2
      Examples: Twice
        | carried              | reason                                              |
        | as two sub-protocols | multiple base64.bearer.authorization tokens specified |

      @WS3
      Examples: Badly spelled
        | carried                             | reason                                          |
        | as a sub-protocol that is cut short | invalid base64.bearer.authorization token encoding |

      @WS4
      Examples: No text
        | carried                           | reason                                  |
        | as a sub-protocol that is no text | invalid base64.bearer.authorization token |

      @WS5
      Examples: Nothing to speak
        | carried                 | reason                        |
        | as a sub-protocol alone | missing additional subprotocol |

  Rule: Where the protocol is not to change, sub-protocols are not looked at

    @WS6
    @requires:anonymous_requests
    Scenario: The deployer names the sub-protocol without a WebSocket
      Given the deployer carries a service account token as a sub-protocol
      When it asks the API server who it is
      Then it is refused as forbidden, because "system:anonymous"
