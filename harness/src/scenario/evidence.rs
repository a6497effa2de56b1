//! What is kept of a scenario that failed: its answers, their audit events, the log around them.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::ScenarioContext;
use crate::probe::Answer;
use crate::secret::redact;

/// Writes it into a directory of its own below the state directory, and says where. Everything goes through redaction.
pub(super) fn keep(run: &str, scenario: &ScenarioContext, why: &str, answers: &[Answer]) -> Result<PathBuf> {
    let name: String = scenario
        .id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(100)
        .collect();
    let directory = crate::dirs::state()?.join("evidence").join(run).join(name);
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder
        .create(&directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;

    let mut text = format!("{}\n{}\n\n{why}\n", scenario.id, scenario.place());
    for answer in answers {
        let _ = write!(text, "\n{}\n  {answer}\n", answer.request);
        answer.record.log.iter().for_each(|line| text.push_str(&format!("  log: {line}\n")));
    }
    crate::pki::write_private(&directory.join("what-happened.txt"), &redact(&text))?;
    let told: Vec<_> = answers
        .iter()
        .map(|answer| json!({ "answer": answer.report(), "body": answer.body, "audit_event": answer.record.event.as_ref().map(|event| &event.0) }))
        .collect();
    let told = serde_json::to_string_pretty(&told)?;
    crate::pki::write_private(&directory.join("answers.json"), &redact(&told))?;
    Ok(directory)
}
