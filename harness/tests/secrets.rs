//! No secret of a run is in anything that the run wrote: features run, with one failing scenario so that
//! evidence is kept, and the report, the evidence and the terminal output are searched for every secret that the run held.
//! Ordinarily these are the features with most kinds of secrets; all of them with `cargo test --test secrets -- --ignored`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use libtest_mimic::{Arguments, Failed, Trial};

/// Names the file in which the copy of this program that performs the run lists its secrets.
const LEAVE_TO: &str = "AUTHLAB_TEST_SECRETS_TO";

/// The shortest secret to search for: shorter ones occur by chance, such as `secret`, a namespace, a word.
const SHORTEST: usize = 8;

/// A scenario that fails on purpose, with a token and a password in its message and its responses.
const FAILS: &str = r#"
Feature: What is kept of a failure

  @requires:identity_provider @requires:realm_administration
  Scenario: A token that is accepted is expected to be refused
    Given Alice has logged in at the identity provider
    When she asks the API server who she is
    Then she is refused as unauthenticated, because 'nobody lets her in'
"#;

/// Features with logins, tokens, keys, bootstrap tokens, webhooks and plugins.
const MOST_KINDS: &[&str] = &["oidc", "bootstrap_tokens", "webhook_tokens", "exec_plugins", "signing_requests"];

fn main() -> ExitCode {
    if let Some(leave_to) = std::env::var_os(LEAVE_TO) {
        authlab::secret::remember();
        let exit = authlab::cli::main();
        let held = authlab::secret::remembered().join("\0");
        // Without the file there are no secrets to search for, which the parent process treats as a failure.
        return std::fs::write(leave_to, held).map_or(ExitCode::FAILURE, |()| exit);
    }
    let trial = |name, features: &'static [&'static str]| {
        Trial::test(name, || {
            no_secret_is_written(features).map_err(|error| Failed::from(error.to_string()))
        })
    };
    let trials = vec![
        trial("no_secret_of_a_run_is_in_what_it_wrote", MOST_KINDS),
        trial("no_secret_of_a_whole_run_is_in_what_it_wrote", &[""]).with_ignored_flag(true),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs the named folders of the features, and searches what was written.
fn no_secret_is_written(features: &[&str]) -> Anyhow<()> {
    let home = tempfile::tempdir()?;
    let (held, state, report) = (home.path().join("held"), home.path().join("state"), home.path().join("report"));
    let failing = home.path().join("failing");
    std::fs::create_dir(&failing)?;
    std::fs::write(failing.join("kept.feature"), FAILS)?;
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../features");
    let features: Vec<PathBuf> = features.iter().map(|folder| all.join(folder)).collect();
    let mut run = Command::new(std::env::current_exe()?);
    // Filters of this test's own run, and a job's summary file, are not meant for the inner run.
    let outer = [
        "AUTHLAB_TAGS",
        "AUTHLAB_NAME",
        "AUTHLAB_SHARD",
        "AUTHLAB_INVERT",
        "AUTHLAB_FEATURES",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
    ];
    outer.iter().for_each(|name| _ = run.env_remove(name));
    let run = run
        .arg("run")
        .args(features)
        .args([failing.as_os_str(), "--report".as_ref(), report.as_os_str()])
        .env(LEAVE_TO, &held)
        .env("AUTHLAB_STATE_DIR", &state)
        .stdin(Stdio::null())
        .output()?;
    let written = Written::of(&run, &[&report, &state])?;
    let told = String::from_utf8_lossy(&run.stdout);
    if run.status.code() != Some(1) || !told.contains(" 1 failed") {
        return Err(format!(
            "one scenario fails, no other: {:?}\n{told}\n{}",
            run.status,
            String::from_utf8_lossy(&run.stderr)
        )
        .into());
    }
    for expected in ["run.json", "junit.xml", "what-happened.txt", "answers.json"] {
        if !written.0.keys().any(|path| path.ends_with(expected)) {
            return Err(format!("the run wrote no {expected}: {:?}", written.0.keys()).into());
        }
    }

    let secrets = std::fs::read_to_string(&held)?;
    let needles: Vec<String> = secrets.split('\0').flat_map(needles).collect();
    // A run has hundreds of users, tokens and keys. Few would mean that they were not remembered.
    if needles.len() < 500 {
        return Err(format!("only {} forms of secrets were remembered", needles.len()).into());
    }
    let search = aho_corasick::AhoCorasick::new(&needles)?;
    let mut found = Vec::new();
    for (path, content) in &written.0 {
        for place in search.find_iter(content).take(3) {
            // Enough to find the secret by, not enough to use it.
            let needle = &needles[place.pattern().as_usize()];
            found.push(format!(
                "{} at byte {}: {}…",
                path.display(),
                place.start(),
                &needle[..4.min(needle.len())]
            ));
        }
    }
    if !found.is_empty() {
        return Err(format!("secrets were written:\n{}", found.join("\n")).into());
    }
    what_people_need_is_readable(&report.join("run.json"))
}

/// Checks that text of the features, names and claims are not redacted: a record that hides these is useless.
fn what_people_need_is_readable(record: &Path) -> Anyhow<()> {
    let text = std::fs::read_to_string(record)?;
    let record: serde_json::Value = serde_json::from_str(&text)?;
    let scenarios = record["scenarios"].as_array().ok_or("the record has no scenarios")?;
    for scenario in scenarios {
        for field in ["id", "feature", "rule", "name", "place"] {
            if scenario[field].as_str().is_some_and(|said| said.contains("[redacted]")) {
                return Err(format!("{field} is redacted: {}", scenario[field]).into());
            }
        }
        let steps = scenario["steps"].as_array().into_iter().flatten();
        if let Some(step) = steps
            .filter_map(|step| step["text"].as_str())
            .find(|step| step.contains("[redacted]"))
        {
            return Err(format!("a step is redacted: {step}").into());
        }
    }
    for readable in [
        "\"preferred_username\":",
        "\"system:authenticated\"",
        "invalid bearer token",
        "\"subject\":",
    ] {
        let compact = text.replace("\": ", "\":");
        if !compact.contains(readable) {
            return Err(format!("the record does not have {readable}").into());
        }
    }
    Ok(())
}

/// Everything that a run wrote, by path.
struct Written(BTreeMap<PathBuf, Vec<u8>>);

impl Written {
    fn of(run: &std::process::Output, directories: &[&Path]) -> Anyhow<Self> {
        let mut written = BTreeMap::from([("stdout".into(), run.stdout.clone()), ("stderr".into(), run.stderr.clone())]);
        let mut todo: Vec<PathBuf> = directories.iter().map(|path| path.to_path_buf()).collect();
        while let Some(directory) = todo.pop() {
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    todo.push(entry.path());
                } else if kind.is_file() && !is_kept_as_it_is(&entry.path()) {
                    written.insert(entry.path(), std::fs::read(entry.path())?);
                }
            }
        }
        Ok(Self(written))
    }
}

/// Returns whether a file is exempt: a failed lab is kept for inspection, and its servers need their files, keys included, which only
/// its owner may read. The logs are not exempt, since a user might share them.
fn is_kept_as_it_is(path: &Path) -> bool {
    let is_log = path.extension().is_some_and(|extension| extension == "log" || extension == "jsonl");
    path.components().any(|part| part.as_os_str() == "labs") && !is_log
}

/// Returns the forms that `secret` might take: as it is, in base64 at each of the three offsets, in hexadecimal digits, escaped
/// as in JSON, and encoded for a URL or a form.
fn needles(secret: &str) -> Vec<String> {
    // The claims and the beginning of the signature of a token may be shown; the rest of the signature is what makes it a credential.
    let token = secret.strip_prefix("Bearer ").unwrap_or(secret);
    let is_token = token.starts_with("eyJ") && token.matches('.').count() == 2;
    let parts: Vec<&str> = if is_token {
        token
            .rsplit('.')
            .take(1)
            .map(|signature| signature.get(6..).unwrap_or_default())
            .collect()
    } else if secret.contains("-----BEGIN") {
        private_lines(secret)
    } else {
        vec![secret.strip_prefix("Bearer ").or(secret.strip_prefix("Basic ")).unwrap_or(secret)]
    };
    let parts = parts.into_iter().map(str::trim).filter(|part| part.len() >= SHORTEST);
    parts.flat_map(encodings).collect()
}

/// Returns the lines that are only in a private key: the armour is not secret, nor are certificates and public keys beside it, nor its
/// public half (PKCS#8). In an EC key, that half begins after at least two lines; in an RSA key, which is long, it ends within seven.
fn private_lines(pem: &str) -> Vec<&str> {
    let mut private = false;
    let mut lines = Vec::new();
    for line in pem.lines() {
        if line.starts_with("-----") {
            private = line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY");
        } else if private {
            lines.push(line);
        }
    }
    match lines.len() {
        0..=8 => lines.into_iter().take(2).collect(),
        _ => lines.into_iter().skip(7).collect(),
    }
}

fn encodings(part: &str) -> Vec<String> {
    let mut all = vec![part.to_owned()];
    for offset in 0..3 {
        let shifted = [&b"\0\0"[..offset], part.as_bytes()].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            // The first and the last characters depend on the neighbouring bytes.
            let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or_default();
            all.push(inner.to_owned());
        }
    }
    let percent: String = form_urlencoded::byte_serialize(part.as_bytes()).collect();
    let lower_case = percent
        .split('%')
        .enumerate()
        .map(|(index, rest)| match rest.get(..2).filter(|_| index > 0) {
            Some(digits) => format!("%{}{}", digits.to_ascii_lowercase(), &rest[2..]),
            None => rest.to_owned(),
        });
    all.push(lower_case.collect());
    all.push(percent.replace('+', "%20"));
    all.push(percent);
    all.extend([hex::encode(part), hex::encode_upper(part)]);
    all.push(serde_json::Value::from(part).to_string().trim_matches('"').to_owned());
    all.retain(|form| form.len() >= SHORTEST);
    all.sort();
    all.dedup();
    all
}
