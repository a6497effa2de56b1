//! A dry run in an existing cluster: the requests, objects and skipped scenarios of a run. The main function is [`dry_run`].

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::lab_source;
use super::options::LabArguments;
use super::output::write_json;
use crate::lab::{self, Survey};
use crate::scenario::Selected;

/// The effects of a run in an existing cluster.
#[derive(Serialize)]
struct DryRun {
    #[serde(flatten)]
    survey: Survey,
    would_run: Vec<String>,
    would_skip: BTreeMap<String, String>,
}

/// Shows what a run of `selected` would do, without doing any of it.
///
/// # Errors
/// The options do not name an existing cluster, or it cannot be used.
pub(super) async fn dry_run(
    options: &LabArguments,
    selected: &Selected<'_>,
    session: &Session,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let options = options.lab()?;
    if options.kubeconfig.is_none() {
        return Err(
            CommandError::new(Exit::Usage, "--dry-run needs --cluster existing").hint("`--list` shows which scenarios are selected")
        );
    }
    let survey = lab::survey(&options, &session.events).await.map_err(lab_error)?;
    let capabilities = survey.capabilities();
    let (mut would_run, mut would_skip) = (Vec::new(), BTreeMap::new());
    for scenario in selected.scenarios() {
        match lab_source::fit_for(&capabilities, scenario)? {
            None => would_run.push(scenario.id.clone()),
            Some(skip) => _ = would_skip.insert(scenario.id.clone(), skip.because),
        }
    }
    let dry_run = DryRun {
        survey,
        would_run,
        would_skip,
    };
    if session.output.json {
        return write_json(&dry_run, out);
    }
    dry_run.write(out)?;
    Ok(Exit::Success)
}

impl DryRun {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Survey {
            context,
            server,
            user,
            kubernetes,
            issuer,
            observed,
            not_asked,
            creates,
            label,
            ..
        } = &self.survey;
        writeln!(out, "Cluster: {server} (context '{context}'), Kubernetes {kubernetes}, as {user}")?;
        if let Some(issuer) = issuer {
            writeln!(out, "Issuer: {issuer}")?;
        }
        writeln!(out, "\nCapabilities")?;
        for (name, answer) in observed {
            let able = match (not_asked.contains(name), answer.able) {
                (true, _) => "?  ",
                (false, true) => "yes",
                (false, false) => "no ",
            };
            writeln!(out, "  {name:<20} {able}  {}", answer.why)?;
        }
        if creates.is_empty() {
            writeln!(out, "\nA run would create nothing in it.")?;
        } else {
            writeln!(out, "\nA run would create these objects, and delete them at its end")?;
            for what in creates {
                writeln!(out, "  {what}")?;
            }
            writeln!(out, "  all with the label {label}")?;
        }
        writeln!(out, "\n{} scenarios would run", self.would_run.len())?;
        for id in &self.would_run {
            writeln!(out, "  {id}")?;
        }
        writeln!(out, "\n{} scenarios would be skipped", self.would_skip.len())?;
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, why) in &self.would_skip {
            reasons.entry(why).or_default().push(id);
        }
        for (why, ids) in reasons {
            writeln!(out, "  {why}")?;
            for id in ids {
                writeln!(out, "    {id}")?;
            }
        }
        writeln!(out, "\nNothing was created.")
    }
}
