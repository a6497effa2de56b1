@exec-plugin
Feature: A client that gets no credential from its plugin fails before it sends a request

  Rule: If the plugin gives no credential, the client reports an error

    Scenario Outline: Alice's plugin <flaw>
      Given Alice has a plugin that <flaw>
      When she asks the command-line client who she is
      Then the client is refused, because '<reason>'
      But with a plugin that is sound, the client says that she is accepted as "rs256:alice"

      @E2
      Examples: There is no plugin
        | flaw         | reason                                   |
        | is not there | exec: executable no-such-plugin not found |

      @E3
      Examples: It fails, and what it said is elsewhere
        | flaw               | reason                  |
        | ends with an error | failed with exit code 7 |

      @E4
      Examples: It speaks another version
        | flaw                       | reason                                                                                                                                                  |
        | answers in another version | exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1 |

      @E6
      Examples: Nobody can be asked
        | flaw             | reason                                                                              |
        | needs a terminal | exec plugin cannot support interactive mode: standard input is not a terminal |

      @E7
      Examples: Nobody says whether somebody is asked
        | flaw                                    | reason                                                                            |
        | does not say whether it needs a terminal | interactiveMode must be specified for lab to use exec authentication plugin |

    @E5
    Scenario Outline: Alice's plugin gives an incomplete answer: it <flaw>
      Given Alice has a plugin that <flaw>
      When she asks the command-line client who she is
      Then the client is refused, because "<reason>"
      But with a plugin that is sound, the client says that she is accepted as "rs256:alice"

      Examples:
        | flaw                                       | reason                                                     |
        | answers without a status                   | exec plugin didn't return a status field                   |
        | answers without a credential               | exec plugin didn't return a token or cert/key pair         |
        | answers with a certificate without its key | exec plugin returned only certificate or key, not both     |

    @E2
    Scenario: A client built on the Rust crate kube has no plugin
      Given Alice has a plugin that is not there
      When she asks a client made with kube who she is
      Then the client is refused, because "unable to run auth exec"
      But with a plugin that is sound, the client made with kube says that she is accepted as "rs256:alice"

    @E3
    Scenario: The plugin of a client built on the Rust crate kube fails
      Given Alice has a plugin that ends with an error
      When she asks a client made with kube who she is
      Then the client is refused, because "failed with status exit status: 7"
      But with a plugin that is sound, the client made with kube says that she is accepted as "rs256:alice"

  Rule: The user's kuberc file decides which plugins may run

    Scenario Outline: Alice's client allows <policy>
      Given Alice has a plugin that gives her a token
      And her client allows <policy>
      When she asks the command-line client who she is
      Then the client is refused, because '<reason>'
      And the plugin was not asked
      But with a plugin that is sound, the client says that she is accepted as "rs256:alice"

      @E9
      Examples: Plugins are forbidden
        | policy            | reason                                     |
        | no plugins at all | not allowed: policy set to "DenyAll" |

      @E10
      Examples: It is not on the list
        | policy              | reason                                                   |
        | only another plugin | is not permitted by the credential plugin allowlist |

      @E11
      Examples: There is no list, or nothing on it
        | policy                                 | reason                                                  |
        | only plugins of a list that is missing | but allowlist is unspecified                           |
        | only plugins of an empty list          | allowlist is empty; use "DenyAll" policy instead |

    @E14
    Scenario: Alice's client allows only this plugin
      Given Alice has a plugin that gives her a token
      And her client allows only this plugin
      When she asks the command-line client who she is
      Then the client says that she is accepted as "rs256:alice"
      And the plugin was asked once
