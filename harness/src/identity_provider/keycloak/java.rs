//! The Java that runs Keycloak, and its means of a fast start.
//!
//! [`find`] asks every Java that it finds for its version, all at once, and takes the newest
//! that Keycloak supports. The main type is [`Java`].

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::line::{Line, OLDEST_JAVA};
use crate::hint::Hint;
use crate::process::Program;

/// The way in which classes are kept, ready to use, from one start to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Archive {
    /// The AOT cache, written by one training run (JEP 483, and JEP 514 from JDK 25).
    AotCache,
    /// A dynamic class-data archive (JEP 350, JDK 13 to 24).
    ClassData,
    /// Nothing: this virtual machine has neither.
    Nothing,
}

/// A Java that responded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Java {
    /// The `java` program.
    pub program: PathBuf,
    /// The home, as reported by Java itself.
    pub home: PathBuf,
    /// The feature version: 17, 21, 25.
    pub version: u32,
    /// The exact build: an archive serves the build that wrote it and no other.
    pub build: String,
    /// The way in which it can keep classes.
    pub archive: Archive,
}

/// An error of finding a Java for Keycloak.
#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    /// No Java was found, or only ones that are too old.
    #[error("cannot find Java {OLDEST_JAVA} or newer for Keycloak; looked at {}", seen(looked_at))]
    NotFound {
        /// The candidates, each with its result.
        looked_at: Vec<String>,
    },
    /// The named Java is unsuitable.
    #[error("AUTHLAB_JAVA names {}, which is not Java {OLDEST_JAVA} or newer: {seen}", program.display())]
    Named {
        /// The program.
        program: PathBuf,
        /// The result of asking it.
        seen: String,
    },
}

impl Hint for JavaError {
    fn hint(&self) -> Option<String> {
        Some("install OpenJDK 25 (17 and 21 work, more slowly), or set AUTHLAB_JAVA to its home or to its java program".to_owned())
    }
}

fn seen(looked_at: &[String]) -> String {
    if looked_at.is_empty() {
        "JAVA_HOME, PATH and the usual directories".to_owned()
    } else {
        looked_at.join(", ")
    }
}

/// Returns the feature versions of Java that Keycloak `version` is tested with.
#[must_use]
pub fn tested(version: &str) -> RangeInclusive<u32> {
    Line::of(version).java()
}

/// Finds the best Java: the one `named` (a home or a program), else the newest of `JAVA_HOME`, `PATH` and the usual places
/// that is one of `tested`, the versions that Keycloak is tested with.
///
/// # Errors
/// There is no suitable Java, or the named one is unsuitable.
pub async fn find(named: Option<&Path>, tested: RangeInclusive<u32>) -> Result<Java, JavaError> {
    if let Some(named) = named {
        let program = if named.is_dir() { named.join("bin/java") } else { named.to_owned() };
        return match probe(&program).await {
            Ok(java) if java.version >= OLDEST_JAVA => Ok(java),
            Ok(java) => Err(JavaError::Named {
                program,
                seen: format!("it is Java {}", java.version),
            }),
            Err(seen) => Err(JavaError::Named { program, seen }),
        };
    }
    let candidates = candidates();
    let answers = futures::future::join_all(candidates.iter().map(|program| probe(program))).await;
    let mut looked_at = Vec::new();
    let mut found = Vec::new();
    for (program, answer) in candidates.iter().zip(answers) {
        match answer {
            Ok(java) => {
                looked_at.push(format!("{} (Java {})", program.display(), java.version));
                found.push(java);
            }
            Err(why) => looked_at.push(format!("{} ({why})", program.display())),
        }
    }
    best(found, &tested).ok_or(JavaError::NotFound { looked_at })
}

/// Returns the best Java: `tested` versions before newer ones, then the newest, then the first.
fn best(found: Vec<Java>, tested: &RangeInclusive<u32>) -> Option<Java> {
    let rank = |java: &Java| (tested.contains(&java.version), java.version);
    found
        .into_iter()
        .filter(|java| java.version >= OLDEST_JAVA)
        .reduce(|best, java| if rank(&java) > rank(&best) { java } else { best })
}

/// Returns every candidate for `java` once, `JAVA_HOME` and `PATH` first.
fn candidates() -> Vec<PathBuf> {
    let mut programs = Vec::new();
    programs.extend(std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java")));
    programs.extend(which::which("java"));
    let home = crate::dirs::home();
    let mut directories: Vec<(PathBuf, &str)> = vec![
        ("/usr/lib/jvm".into(), "bin/java"),
        ("/usr/lib64/jvm".into(), "bin/java"),
        ("/opt".into(), "bin/java"),
        ("/opt/java".into(), "bin/java"),
        ("/Library/Java/JavaVirtualMachines".into(), "Contents/Home/bin/java"),
        ("/opt/homebrew/opt".into(), "libexec/openjdk.jdk/Contents/Home/bin/java"),
    ];
    if let Some(home) = &home {
        directories.push((home.join(".sdkman/candidates/java"), "bin/java"));
        directories.push((home.join(".jdks"), "bin/java"));
        directories.push((home.join("Library/Java/JavaVirtualMachines"), "Contents/Home/bin/java"));
    }
    for (directory, program) in directories {
        let mut homes: Vec<PathBuf> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        homes.sort();
        programs.extend(homes.into_iter().map(|home| home.join(program)));
    }
    let mut known = BTreeSet::new();
    programs
        .into_iter()
        .filter(|program| program.canonicalize().is_ok_and(|file| known.insert(file)))
        .collect()
}

/// Asks `program` for its version and home.
async fn probe(program: &Path) -> Result<Java, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let log = scratch.path().join("version");
    let mut child = Program::new("java", program, &log)
        .arguments(["-XshowSettings:properties", "-version"])
        .start()
        .await
        .map_err(|error| std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))?;
    let status = match tokio::time::timeout(std::time::Duration::from_secs(20), child.ended()).await {
        Ok(status) => status.map_err(|error| error.to_string())?,
        Err(_) => return Err("it did not respond within 20 s".to_owned()),
    };
    let text = fs_err::read_to_string(&log).map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("it failed ({status})"));
    }
    read(program, &text).ok_or_else(|| "it did not print its version".to_owned())
}

/// Reads the output of `java -XshowSettings:properties -version`.
pub(super) fn read(program: &Path, text: &str) -> Option<Java> {
    let property = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='))
            .map(str::trim)
    };
    // Java 8 calls itself 1.8.
    let version = property("java.specification.version")?.trim_start_matches("1.").parse().ok()?;
    let machine = property("java.vm.name").unwrap_or_default();
    let archive = match version {
        _ if machine.contains("J9") || machine.contains("GraalVM") => Archive::Nothing,
        25.. => Archive::AotCache,
        13.. => Archive::ClassData,
        _ => Archive::Nothing,
    };
    Some(Java {
        program: program.to_owned(),
        home: property("java.home")?.into(),
        version,
        build: format!(
            "{machine} {} {}",
            property("java.vm.version")?,
            property("java.vendor").unwrap_or_default()
        ),
        archive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(version: &str, machine: &str) -> String {
        format!(
            "Property settings:\n    java.home = /jdk\n    java.specification.version = {version}\n    java.vendor = Someone\n    \
             java.vm.name = {machine}\n    java.vm.version = {version}.0.3+9\n\nopenjdk version \"{version}\"\n"
        )
    }

    fn java(version: &str) -> Java {
        read(Path::new(version), &says(version, "OpenJDK 64-Bit Server VM")).expect("it says what it is")
    }

    #[test]
    fn what_a_java_can_keep_depends_on_its_version_and_its_machine() {
        assert_eq!(java("25").archive, Archive::AotCache);
        assert_eq!(java("17").archive, Archive::ClassData);
        assert_eq!(java("1.8").version, 8);
        let j9 = read(Path::new("j9"), &says("25", "Eclipse OpenJ9 VM")).expect("it says what it is");
        assert_eq!(j9.archive, Archive::Nothing);
        assert!(read(Path::new("none"), "Usage: something else").is_none());
    }

    #[test]
    fn the_newest_supported_java_is_taken() {
        let best =
            |found: &[&str], newest| best(found.iter().map(|version| java(version)).collect(), &(17..=newest)).map(|java| java.version);
        assert_eq!(best(&["17", "25", "21"], 25), Some(25));
        assert_eq!(best(&["17", "25", "21"], 21), Some(21));
        assert_eq!(best(&["17", "30"], 25), Some(17));
        assert_eq!(best(&["1.8", "30"], 25), Some(30));
        assert_eq!(best(&["1.8", "11"], 25), None);
    }

    #[tokio::test]
    async fn a_program_that_is_no_java_is_refused_with_what_it_was() {
        let refused = find(Some(Path::new("/bin/false")), 17..=25).await.expect_err("it is no Java");
        assert!(refused.to_string().contains("/bin/false"), "{refused}");
        let missing = find(Some(Path::new("/nonexistent/java")), 17..=25)
            .await
            .expect_err("it is not there");
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }
}
