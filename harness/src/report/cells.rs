//! Several records side by side: what each is called. The main item is [`names`].

use super::record::RunRecord;

/// A name for each record: what tells it from the others.
#[must_use]
pub fn names(records: &[RunRecord]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let mut name = record
            .lab
            .as_ref()
            .map_or_else(|| "no lab".to_owned(), |lab| format!("{} {}", lab.kubernetes, lab.cluster));
        if names.contains(&name) {
            name = format!("{name} ({})", index + 1);
        }
        names.push(name);
    }
    names
}
