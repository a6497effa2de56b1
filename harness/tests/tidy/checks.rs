//! The table of findings in `docs/reference/check.md` is that of the code.

use std::fmt::Write as _;

use authlab::trial::check::RULES;

use crate::generated::Generated;

const TABLE: Generated = Generated {
    page: "docs/reference/check.md",
    begin: "<!-- Everything that can be found: UPDATE=1 cargo test --test tidy checks -->\n",
    end: "<!-- end -->\n",
    rule: "the table between the marks in docs/reference/check.md is made by `UPDATE=1 cargo test --test tidy checks`",
};

fn table() -> String {
    let mut table = "| Name | Weight | Says | Behaviour |\n|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let behaviour = rule.behaviour.unwrap_or_default();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {behaviour} |",
            rule.name,
            rule.severity.name(),
            rule.summary
        );
    }
    table
}

#[test]
fn the_table_of_findings_has_every_rule_of_a_check() {
    TABLE.check(&table());
}
