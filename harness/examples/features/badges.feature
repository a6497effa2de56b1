@badge @external-certificate
Feature: Badges

  Rule: The badge says which team somebody is of

    Scenario: Alice wears the badge of the platform team
      Given Alice wears the badge of the platform team
      When she looks at the machines
      Then she is accepted as "alice"
      And the visitors' book has "alice" of the platform team

  Rule: Without the right badge nobody sees the machines

    Scenario: Bob wears the badge of the canteen
      Given Bob wears the badge of the canteen
      When he looks at the machines
      Then he is refused as forbidden, because "cannot list resource"
      And the visitors' book has "bob" of the canteen
