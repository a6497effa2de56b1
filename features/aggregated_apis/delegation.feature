@aggregated-api
Feature: An aggregated API asks the API server about callers who come past it

  An aggregated API has an address of its own. It reads the API server's authorities and front proxy from a ConfigMap,
  has tokens reviewed, and asks what callers may do.

  Rule: A caller past the API server is authenticated as the API server would

    @P14
    Scenario: Alice's token is reviewed
      Given an aggregated API that all authenticated users may use
      And Alice holds a token of the issuer "rs256"
      When she asks the aggregated API who she is, past the API server
      Then she is accepted as "rs256:alice"

    @P14
    Scenario: Alice's client certificate is verified with the API server's client CA
      Given an aggregated API that all authenticated users may use
      And Alice holds a client certificate with the organization "platform-team"
      When she asks the aggregated API who she is, past the API server
      Then she is accepted as "alice"
      And she is in exactly the groups "platform-team" and "system:authenticated"

    @P14
    Scenario: A token that was changed after it was signed is refused
      Given an aggregated API that all authenticated users may use
      And Alice holds a token of the issuer "rs256" that was changed after it was signed
      When she asks the aggregated API who she is, past the API server
      Then she is refused as unauthenticated, because "failed to verify signature"
      But Alice, with a valid token, is still accepted

  Rule: Only the API server can announce a caller

    @P13
    Scenario: Mallory is refused when she announces Alice with a certificate of an unknown CA
      Given an aggregated API that all authenticated users may use
      And Mallory announces Alice with a certificate of an unknown CA
      When she asks the aggregated API who she is, past the API server
      Then she is refused as unauthenticated, because "x509: certificate signed by unknown authority"
      But Alice, with a valid announcement, is still accepted

    @P13
    Scenario: Mallory is accepted as herself when she announces Alice with a client certificate of her own
      Given an aggregated API that all authenticated users may use
      And Mallory announces Alice with a client certificate of her own
      When she asks the aggregated API who she is, past the API server
      Then she is accepted as "mallory"

    @P13
    Scenario: Mallory is anonymous when she announces Alice without a credential
      Given an aggregated API that all authenticated users may use
      And Mallory announces Alice with nothing of her own
      When she asks the aggregated API who she is, past the API server
      Then she is refused as forbidden, because "system:anonymous"

  Rule: The API server decides what a caller may do

    @P15
    Scenario: Bob is refused an API that Alice alone may use
      Given an aggregated API that Alice alone may use
      And Bob holds a client certificate
      When he asks the aggregated API who he is, past the API server
      Then he is refused as forbidden, because 'User "bob" cannot list resource "requests"'
      But Alice, with a client certificate, is accepted by it
