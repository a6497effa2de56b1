//! The files and lines of the flags that were checked. The main type is [`Places`].

use std::collections::BTreeMap;
use std::path::Path;

use crate::configuration::flags::normalized;
use crate::configuration::tool;
use crate::project::Project;
use crate::trial::check::Finding;

/// The flag without which the others about an issuer say nothing: it is the place of those that nobody wrote.
const FIRST: &str = "oidc-issuer-url";

/// The place of each flag that a file has: the last one, which counts (spf13/pflag).
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The file and the line, by the name without dashes.
    places: BTreeMap<String, (String, usize)>,
}

impl Places {
    /// Returns the places of the flags of `project`; those on the command line, `given`, have none.
    pub(super) fn new(project: Option<&Project>, given: &[(String, String)]) -> Self {
        let mut places = BTreeMap::new();
        if let Some(project) = project {
            // Its mistakes are told where it is tried.
            let found = project
                .api_server
                .from
                .as_ref()
                .and_then(|from| tool::read(&from.value.resolved).ok());
            for flag in found.into_iter().flat_map(|found| found.flags) {
                places.insert(normalized(&flag.name), (shown(&flag.file), flag.place.line));
            }
            for (name, _) in &project.api_server.flags {
                places.insert(normalized(&name.value), (project.shown.clone(), name.place.line));
            }
        }
        for (name, _) in given {
            places.remove(&normalized(name));
        }
        Self { places }
    }

    /// Gives `finding` the place of its flag, if it is about one and has none.
    pub(super) fn add_to(&self, finding: &mut Finding) {
        let Some(flag) = finding.field.strip_prefix("--").filter(|_| finding.file.is_none()) else {
            return;
        };
        let first = || self.places.get(FIRST).filter(|_| flag.starts_with("oidc-"));
        if let Some((file, line)) = self.places.get(flag).or_else(first) {
            (finding.file, finding.line) = (Some(file.clone()), Some(*line));
        }
    }
}

/// Returns `path` as it is shown: relative to the working directory, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::check::rule;

    #[test]
    fn a_flag_has_the_line_of_the_file_that_counts() {
        let folder = tempfile::tempdir().expect("a directory");
        let kubeadm = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  \
                       - {name: oidc-issuer-url, value: 'https://a.example'}\n  - {name: oidc-groups-claim, value: groups}\n";
        std::fs::write(folder.path().join("kubeadm.yaml"), kubeadm).expect("it can be written");
        let project = Project::of_text(
            "[api-server]\nfrom = \"kubeadm.yaml\"\nflags = { oidc-groups-claim = \"roles\" }\n",
            "authlab.toml".to_owned(),
            folder.path().to_owned(),
        );
        let project = project.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let tool = folder.path().join("kubeadm.yaml").display().to_string();
        let of = |field: &str, given: &[(String, String)]| {
            let mut finding = Finding::of_field(rule("no-prefix").expect("a rule"), field);
            Places::new(Some(&project), given).add_to(&mut finding);
            (finding.file, finding.line)
        };
        let in_project = (Some("authlab.toml".to_owned()), Some(3));
        assert_eq!(of("--oidc-groups-claim", &[]), in_project);
        // A claim that is the default, and a flag of the command line.
        assert_eq!(of("--oidc-username-claim", &[]), (Some(tool), Some(5)));
        let given = [("oidc_issuer-url".to_owned(), "https://b.example".to_owned())];
        assert_eq!(of("--oidc-username-claim", &given), (None, None));
        assert_eq!(of("--anonymous-auth", &[]), (None, None));
        assert_eq!(of("jwt[0].issuer.url", &[]), (None, None));
    }
}
