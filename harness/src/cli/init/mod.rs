//! `authlab init`: a project to begin with.
//!
//! The main type is [`InitArguments`]. [`origin`] tells which kind of file the project begins with, [`contents`] has the texts of the new
//! files, and [`writing`] writes them without replacing any.

mod contents;
mod origin;
mod writing;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::error::CommandError;
use super::exit::Exit;
use super::output::write_json;
use super::{Session, blocking};
use crate::project::FILE_NAME;
use crate::shell_word::quoted;
use contents::NewFile;
use origin::Origin;
use writing::Written;

/// Arguments of `authlab init`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
FILE is an AuthenticationConfiguration; a file that configures API servers for kubeadm, kind, k3s,
RKE2, Talos, kOps or Cluster API, or a static pod; or a kubeconfig, whose contexts become the people.
It is named in the project, not copied.

Files that exist are left alone.

Exit codes:
  0  the project is written, or was there already
  1  a file cannot be written
  2  wrong usage, such as a FILE of another kind
  5  interrupted")]
pub struct InitArguments {
    /// Configuration or kubeconfig to begin with [default: a new configuration]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Directory of the project
    #[arg(value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
}

/// The record of the command.
#[derive(Debug, Serialize)]
struct Outcome {
    /// The directory of the project.
    directory: PathBuf,
    /// The files that were written, relative to the directory.
    written: Vec<String>,
    /// The files that existed.
    left_alone: Vec<String>,
    /// The commands to go on with.
    next: Vec<String>,
}

/// Writes the project and tells `out` about it.
///
/// # Errors
/// The file to begin with is of no known kind, or a file cannot be written.
pub async fn run(arguments: InitArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let outcome = blocking(move || init(&arguments)).await?;
    if session.output.json {
        write_json(&outcome, out)?;
    } else if !session.output.quiet {
        outcome.write(out)?;
    }
    Ok(Exit::Success)
}

fn init(arguments: &InitArguments) -> Result<Outcome, CommandError> {
    let directory = &arguments.directory;
    if directory.exists() && !directory.is_dir() {
        return Err(CommandError::new(
            Exit::Usage,
            format!("{} is not a directory", directory.display()),
        ));
    }
    let origin = match &arguments.from {
        None => Origin::Nothing,
        Some(file) => {
            origin::read(file).map_err(|mistake| CommandError::new(Exit::Usage, crate::diagnostic::Diagnostics::from(mistake)))?
        }
    };
    let from = arguments.from.as_deref().map(|file| relative(file, directory)).transpose()?;
    let files = contents::files(&origin, from.as_deref(), directory);
    let (mut written, mut left_alone) = (Vec::new(), Vec::new());
    for NewFile { path, text } in files {
        match writing::write_new(&directory.join(&path), &text) {
            Ok(Written::New) => written.push(path),
            Ok(Written::LeftAlone) => left_alone.push(path),
            Err(error) => {
                let error = CommandError::new(Exit::Failed, error);
                return Err(if written.is_empty() {
                    error
                } else {
                    error.hint(format!(
                        "written so far: {}; the next `authlab init` leaves them alone",
                        written.join(", ")
                    ))
                });
            }
        }
    }
    Ok(Outcome {
        directory: directory.clone(),
        written,
        left_alone,
        next: next(&origin, arguments),
    })
}

/// Returns the commands to go on with.
fn next(origin: &Origin, arguments: &InitArguments) -> Vec<String> {
    let cluster = match (origin, &arguments.from) {
        (Origin::Kubeconfig { .. }, Some(file)) => {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            format!(" --cluster existing --kubeconfig {}", quoted(&file.to_string_lossy()))
        }
        _ => String::new(),
    };
    let mut next = Vec::new();
    if arguments.directory != Path::new(".") {
        next.push(format!("cd {}", quoted(&arguments.directory.to_string_lossy())));
    }
    next.extend([format!("authlab try --all{cluster}"), format!("authlab run{cluster}")]);
    next
}

/// Returns the path of `file` relative to the folder `directory`, which may not exist yet, as TOML has it.
fn relative(file: &Path, directory: &Path) -> Result<String, CommandError> {
    let name = file.file_name().unwrap_or_default();
    // A link stays the name of the file: its target is somebody else's matter.
    let file = real(file.parent().unwrap_or(Path::new("")))?.join(name);
    let directory = real(directory)?;
    let shared = file
        .components()
        .zip(directory.components())
        .take_while(|(one, other)| one == other)
        .count();
    // With nothing but the root in common, a relative path says less than the whole one.
    let path = if shared <= 1 {
        file
    } else {
        let up = directory.components().skip(shared).map(|_| Path::new(".."));
        up.chain(file.components().skip(shared).map(|part| Path::new(part.as_os_str())))
            .collect()
    };
    match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(CommandError::new(Exit::Usage, format!("the path {} is not UTF-8", path.display()))),
    }
}

/// Returns the absolute path of a folder without links, of which the last parts may not exist yet.
fn real(folder: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(Path::new(".").join(folder))?;
    let real = absolute.ancestors().find_map(|known| {
        let rest = absolute.strip_prefix(known).ok()?;
        Some(known.canonicalize().ok()?.join(rest))
    });
    Ok(real.unwrap_or(absolute))
}

impl Outcome {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for path in &self.written {
            writeln!(out, "wrote       {path}")?;
        }
        for path in &self.left_alone {
            writeln!(out, "left alone  {path}")?;
        }
        if !self.written.is_empty() && self.left_alone.iter().any(|path| path == FILE_NAME) {
            writeln!(
                out,
                "\nThe project was there already; the new files are used only if its {FILE_NAME} names them."
            )?;
        }
        if self.written.iter().any(|path| path == contents::GITLAB_PART) {
            writeln!(
                out,
                "\nInclude {0} in .gitlab-ci.yml: include: [{{ local: {0} }}]",
                contents::GITLAB_PART
            )?;
        }
        writeln!(out, "\nNext:")?;
        self.next.iter().try_for_each(|command| writeln!(out, "  {command}"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::project::{Credential, Project};

    fn init_in(directory: &Path, from: Option<&str>) -> Result<Outcome, CommandError> {
        init(&InitArguments {
            from: from.map(|file| directory.join(file)),
            directory: directory.to_owned(),
        })
    }

    fn project(directory: &Path) -> Project {
        Project::read(directory)
            .unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", fs::read_to_string(directory.join(FILE_NAME)).unwrap_or_default()))
    }

    #[test]
    fn a_project_from_nothing_is_sound_and_complete() {
        let home = tempfile::tempdir().expect("a directory");
        let outcome = init_in(home.path(), None).expect("it can be written");
        assert_eq!(
            outcome.written,
            [
                "cluster/authn.yaml",
                "rbac/team.yaml",
                "features/access.feature",
                ".github/workflows/authlab.yml",
                ".gitlab-ci.yml",
                "authlab.toml"
            ]
        );
        let project = project(home.path());
        assert_eq!(project.manifests.len(), 1);
        let Credential::Token(alice) = &project.people["alice"].credential else {
            panic!("a token")
        };
        assert_eq!(alice.claims["groups"], serde_json::json!(["team-a"]));
        assert_eq!(project.people.len(), 2);
        for yaml in [
            "cluster/authn.yaml",
            "rbac/team.yaml",
            ".github/workflows/authlab.yml",
            ".gitlab-ci.yml",
        ] {
            let text = fs::read_to_string(home.path().join(yaml)).expect("it is there");
            let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).expect(yaml);
            assert!(!documents.is_empty(), "{yaml}");
        }
        let everything = fs::read_dir(home.path()).expect("it is there").count();
        assert_eq!(everything, 6, "no temporary file is left");
    }

    #[test]
    fn files_that_exist_are_left_alone() {
        let home = tempfile::tempdir().expect("a directory");
        for file in ["authlab.toml", ".gitlab-ci.yml"] {
            fs::write(home.path().join(file), "mine").expect("it can be written");
        }
        // A link that leads nowhere is somebody's, too.
        fs::create_dir(home.path().join("rbac")).expect("it can be made");
        std::os::unix::fs::symlink("nowhere", home.path().join("rbac/team.yaml")).expect("a link");
        let outcome = init_in(home.path(), None).expect("the rest can be written");
        assert_eq!(outcome.left_alone, ["rbac/team.yaml", "authlab.toml"]);
        assert!(outcome.written.iter().any(|path| path == ".gitlab-ci.authlab.yml"));
        for file in ["authlab.toml", ".gitlab-ci.yml"] {
            assert_eq!(fs::read_to_string(home.path().join(file)).expect("it is there"), "mine");
        }
        let again = init_in(home.path(), None).expect("nothing is written");
        assert!(again.written.is_empty(), "{again:?}");
        let mut told = Vec::new();
        again.write(&mut told).expect("it is memory");
        let told = String::from_utf8(told).expect("text");
        assert!(
            told.starts_with("left alone  cluster/authn.yaml\n") && told.contains("  authlab try --all\n  authlab run\n"),
            "{told}"
        );
    }

    #[test]
    fn a_project_begins_with_each_kind_of_file() {
        let authn = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {url: https://a.test, audiences: [k]}\n  \
                     claimMappings: {username: {claim: sub, prefix: ''}, groups: {expression: claims.roles}}\n  claimValidationRules: [{claim: hd, requiredValue: a.test}]\n";
        let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: https://c.test}}]\nusers: [{name: u, user: {token: t}}]\n\
                          contexts: [{name: 'dana@prod', context: {cluster: c, user: u}}, {name: 'dana:prod', context: {cluster: c, user: u}}]\ncurrent-context: dana@prod\n";
        for (name, text, part) in [
            ("authn.yaml", authn, "authentication-configuration = \"authn.yaml\""),
            (
                "kubeadm.yaml",
                "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n\
                 apiServer:\n  extraArgs:\n  - {name: oidc-issuer-url, value: 'https://a.test'}\n  - {name: oidc-username-claim, value: upn}\n",
                "from = \"kubeadm.yaml\"",
            ),
            (
                "kind.yaml",
                "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n",
                "from = \"kind.yaml\"",
            ),
            ("k3s.yaml", "kube-apiserver-arg:\n- oidc-client-id=a\n", "from = \"k3s.yaml\""),
            (
                "talos.yaml",
                "version: v1alpha1\nmachine: {}\ncluster: {}\n",
                "from = \"talos.yaml\"",
            ),
            (
                "kubeconfig",
                kubeconfig,
                "[people.dana-prod]\ncontext = \"dana@prod\"\n\n[people.dana-prod-2]\ncontext = \"dana:prod\"",
            ),
        ] {
            let home = tempfile::tempdir().expect("a directory");
            fs::write(home.path().join(name), text).expect("it can be written");
            let outcome = init_in(home.path(), Some(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let written = fs::read_to_string(home.path().join(FILE_NAME)).expect("it is there");
            assert!(written.contains(part), "{name}: {written}");
            let project = project(home.path());
            assert_eq!(project.people.len(), 2, "{name}: {written}");
            // People of a kubeconfig are known to its cluster alone.
            for pipeline in [".github/workflows/authlab.yml", ".gitlab-ci.yml"] {
                let text = fs::read_to_string(home.path().join(pipeline)).expect("it is there");
                let at_cluster = "run --cluster existing --kubeconfig kubeconfig --report report";
                assert_eq!(text.contains(at_cluster), name == "kubeconfig", "{name}: {text}");
            }
            assert!(
                !outcome
                    .written
                    .iter()
                    .any(|path| path.starts_with("cluster/") || path.starts_with("rbac/")),
                "{outcome:?}"
            );
            let expected = match name {
                "authn.yaml" => Some(serde_json::json!({ "sub": "alice", "roles": ["team-a"], "hd": "a.test" })),
                "kubeadm.yaml" => Some(serde_json::json!({ "upn": "alice@example.com" })),
                _ => None,
            };
            if let Some(expected) = expected {
                let Credential::Token(alice) = &project.people["alice"].credential else {
                    panic!("a token")
                };
                assert_eq!(alice.issuer.as_ref().map(|issuer| &*issuer.value), Some("https://a.test"));
                assert_eq!(serde_json::Value::Object(alice.claims.clone()), expected);
            }
            if name == "authn.yaml" {
                assert_eq!(project.versions()[0].version.minor, 34, "v1 exists from there on");
            }
            if name == "kubeconfig" {
                assert!(
                    outcome.next[1].starts_with("authlab try --all --cluster existing --kubeconfig /"),
                    "{outcome:?}"
                );
            }
        }
    }

    #[test]
    fn each_issuer_gets_two_people() {
        let home = tempfile::tempdir().expect("a directory");
        let issuers = "- issuer: {url: https://a.test, audiences: [k]}\n  claimMappings: {username: {claim: email, prefix: ''}}\n\
                       - issuer: {url: https://b.test/, audiences: [k]}\n  claimMappings: {username: {claim: sub, prefix: 'b:'}}\n";
        let authn = format!("apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n{issuers}");
        fs::write(home.path().join("authn.yaml"), authn).expect("it can be written");
        init_in(home.path(), Some("authn.yaml")).expect("it can be written");
        let people = project(home.path()).people;
        let told: Vec<(&str, &str, &serde_json::Value)> = people
            .values()
            .map(|person| {
                let Credential::Token(token) = &person.credential else {
                    panic!("a token")
                };
                let issuer = token.issuer.as_ref().expect("an issuer");
                let name = token.claims.get("email").or(token.claims.get("sub")).expect("a name");
                (person.name.value.as_str(), issuer.value.as_str(), name)
            })
            .collect();
        let (a, b) = ("https://a.test", "https://b.test/");
        assert_eq!(
            told,
            [
                ("alice", a, &"alice@example.com".into()),
                ("bob", a, &"bob@example.com".into()),
                ("carol", b, &"carol".into()),
                ("dan", b, &"dan".into())
            ]
        );
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_nothing_is_written() {
        for (text, says) in [
            ("kind: Deployment\napiVersion: apps/v1\n", "is a Deployment (apps/v1), expected"),
            ("just a text", "is a text, expected"),
            ("a: [", "not YAML"),
            ("", "is empty, expected"),
            ("kind: Config\napiVersion: v1\ncontexts: []\n", "has no context"),
        ] {
            let home = tempfile::tempdir().expect("a directory");
            fs::write(home.path().join("x"), text).expect("it can be written");
            let error = init_in(home.path(), Some("x")).expect_err(text);
            assert_eq!(error.exit(), Exit::Usage);
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 1, "{text}");
        }
        let home = tempfile::tempdir().expect("a directory");
        let error = init_in(home.path(), Some("gone")).expect_err("no such file");
        assert!(error.to_string().contains("gone: no such file"), "{error}");
    }

    #[test]
    fn a_file_elsewhere_is_named_by_the_way_to_it() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("one")).expect("it can be made");
        fs::write(home.path().join("a.yaml"), "").expect("it can be written");
        let file = home.path().join("a.yaml");
        for (directory, expected) in [("one", "../a.yaml"), ("new/deep", "../../a.yaml"), (".", "a.yaml")] {
            assert_eq!(relative(&file, &home.path().join(directory)).expect("UTF-8"), expected);
        }
        assert_eq!(
            relative(Path::new("/etc/hostname"), Path::new("/usr")).expect("UTF-8"),
            "/etc/hostname"
        );
    }
}
