@exec-plugin
Feature: A client that gets no credential from its plugin fails before it sends a request

  Rule: If the plugin gives no credential, the client reports an error

    Scenario Outline: Alice's plugin <flaw>
      Given Alice has a plugin that <flaw>
      When she asks the API server who she is through the command-line client
      Then the client fails, because '<reason>'
      But with a valid plugin, the client is accepted as "rs256:alice"

      @E2
      Examples: There is no plugin
        | flaw           | reason                                    |
        | does not exist | exec: executable no-such-plugin not found |

      @E3
      Examples: It fails
        | flaw                | reason                  |
        | exits with an error | failed with exit code 7 |

      @E4
      Examples: It uses another API version
        | flaw                           | reason                                                                                                                                     |
        | answers in another API version | exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1 |

      @E6
      Examples: There is no terminal
        | flaw                | reason                                                                        |
        | requires a terminal | exec plugin cannot support interactive mode: standard input is not a terminal |

      @E7
      Examples: The kubeconfig does not name its interactive mode
        | flaw                                     | reason                                                                      |
        | does not say whether it needs a terminal | interactiveMode must be specified for lab to use exec authentication plugin |

    @E5
    Scenario Outline: Alice's plugin gives an incomplete answer: it <flaw>
      Given Alice has a plugin that <flaw>
      When she asks the API server who she is through the command-line client
      Then the client fails, because "<reason>"
      But with a valid plugin, the client is accepted as "rs256:alice"

      Examples:
        | flaw                                       | reason                                                 |
        | answers without a status                   | exec plugin didn't return a status field               |
        | answers without a credential               | exec plugin didn't return a token or cert/key pair     |
        | answers with a certificate without its key | exec plugin returned only certificate or key, not both |

    @E2
    Scenario: A client built on the Rust crate kube has no plugin
      Given Alice has a plugin that does not exist
      When she asks the API server who she is through a client built on the Rust crate kube
      Then the client fails, because "unable to run auth exec"
      But with a valid plugin, the client is accepted as "rs256:alice"

    @E3
    Scenario: The plugin of a client built on the Rust crate kube fails
      Given Alice has a plugin that exits with an error
      When she asks the API server who she is through a client built on the Rust crate kube
      Then the client fails, because "failed with status exit status: 7"
      But with a valid plugin, the client is accepted as "rs256:alice"

  Rule: The user's kuberc file decides which plugins may run

    Scenario Outline: Alice's kuberc file allows <policy>
      Given Alice has a plugin that returns a token
      And her kuberc file allows <policy>
      When she asks the API server who she is through the command-line client
      Then the client fails, because '<reason>'
      And the plugin was not called
      But with a valid plugin, the client is accepted as "rs256:alice"

      @E9
      Examples: Plugins are forbidden
        | policy     | reason                               |
        | no plugins | not allowed: policy set to "DenyAll" |

      @E10
      Examples: It is not on the list
        | policy              | reason                                              |
        | only another plugin | is not permitted by the credential plugin allowlist |

      @E11
      Examples: There is no list, or nothing on it
        | policy                                    | reason                                           |
        | only listed plugins and has no list       | but allowlist is unspecified                     |
        | only listed plugins and has an empty list | allowlist is empty; use "DenyAll" policy instead |

    @E14
    Scenario: Alice's kuberc file allows only this plugin
      Given Alice has a plugin that returns a token
      And her kuberc file allows only this plugin
      When she asks the API server who she is through the command-line client
      Then the client is accepted as "rs256:alice"
      And the plugin was called once
