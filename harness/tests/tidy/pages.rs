//! The errors in the tables of `docs/` are those that features prove: each row of such a table names a reason and a behaviour.

use regex::Regex;

use crate::{Broken, FILES};

/// Returns the rows of a table of reasons: | what is wrong | `the reason` | behaviour |.
fn rows(text: &str) -> Vec<(String, String)> {
    let row = Regex::new(r"(?m)^\|[^|]*\| `([^`]+)` \| ([A-Z]+[0-9]+) \|$").unwrap();
    row.captures_iter(text).map(|row| (row[1].to_owned(), row[2].to_owned())).collect()
}

#[test]
fn reasons_on_pages_are_those_of_features() {
    let mut broken = Broken::rule("a reason in a table of docs/ stands in a feature file, below the tag of its behaviour");
    let features: Vec<&str> = FILES
        .iter()
        .filter(|file| file.path.starts_with("features/") && file.path.ends_with(".feature"))
        .map(|file| file.text.as_str())
        .collect();
    let mut pages = 0;
    for page in FILES
        .iter()
        .filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md"))
    {
        let rows = rows(&page.text);
        pages += usize::from(!rows.is_empty());
        for (reason, behaviour) in rows {
            let tag = Regex::new(&format!(r"@{behaviour}\b")).unwrap();
            broken.unless(features.iter().any(|text| tag.is_match(text) && text.contains(&reason)), || {
                format!("{}: `{reason}` ({behaviour})", page.path)
            });
        }
    }
    broken.unless(pages == 6, || {
        format!("{pages} pages have such a table: it is read as | what | `reason` | behaviour |")
    });
}

#[test]
fn a_row_has_a_reason_and_a_behaviour() {
    let text = "| What | Reason | Behaviour |\n|---|---|---|\n| it is old | `x509: old` | X4 |\n| a | b | c |\n";
    assert_eq!(rows(text), [("x509: old".to_owned(), "X4".to_owned())]);
}
