//! Upstream's source in Go's module cache: its test functions with their cases, and its release notes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The module `k8s.io/kubernetes` of one version, in Go's module cache.
pub(super) struct Module(PathBuf);

impl Module {
    /// Returns the module of `version`. If it is not in the cache, says so and returns `None`.
    #[expect(clippy::print_stderr, reason = "a comparison that did not take place has to be seen")]
    pub(super) fn of(version: &str) -> Option<Self> {
        let name = format!("k8s.io/kubernetes@v{version}");
        let folder = module_cache().map(|cache| cache.join(&name)).filter(|folder| folder.is_dir());
        if folder.is_none() {
            eprintln!("not compared with upstream: {name} is not in Go's module cache (a lab that builds {version} puts it there)");
        }
        folder.map(Self)
    }

    /// Returns the test functions below each of `places`, with their cases, by file.
    pub(super) fn test_files(&self, places: &[String]) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let integration = self.0.join("test/integration");
        let mut files = Vec::new();
        for place in places {
            collect(&integration.join(place), &mut files);
        }
        let read = |path: PathBuf| {
            let name = path.strip_prefix(&integration).unwrap().to_string_lossy().replace('\\', "/");
            (name, tests(&std::fs::read_to_string(&path).unwrap()))
        };
        files.into_iter().map(read).filter(|(_, tests)| !tests.is_empty()).collect()
    }

    /// Returns the text of the release notes of `minor`, which a module has up to its own version.
    pub(super) fn changelog(&self, minor: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(format!("CHANGELOG/CHANGELOG-{minor}.md"))).ok()
    }
}

/// Returns Go's module cache, by the variables that Go reads.
fn module_cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let go_path = || {
        let first = variable("GOPATH").and_then(|paths| std::env::split_paths(&paths).next());
        first.or_else(|| Some(variable("HOME")?.join("go")))
    };
    variable("GOMODCACHE").or_else(|| Some(go_path()?.join("pkg/mod")))
}

/// Adds `place`, or the files with tests below it.
fn collect(place: &Path, files: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in std::fs::read_dir(place).unwrap() {
            collect(&entry.unwrap().path(), files);
        }
    } else if place.to_string_lossy().ends_with("_test.go") {
        files.push(place.to_owned());
    }
}

/// Returns the test functions of a Go file, with their cases.
///
/// Cases are the names in a test's table and of its `t.Run`; for a test without any, those of the functions to which it hands its `t`.
fn tests(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b([a-z]\w*)\(t\b").unwrap());
    let functions = functions(text);
    let is_test = |name: &str| name.starts_with("Test") && name != "TestMain";
    let mut tests = BTreeMap::new();
    for (&name, &body) in functions.iter().filter(|(name, _)| is_test(name)) {
        let mut cases = cases(body);
        if cases.is_empty() {
            let called = CALL.captures_iter(body).filter_map(|call| functions.get(call.get(1)?.as_str()));
            cases = called.flat_map(|body| self::cases(body)).collect();
        }
        tests.insert(name.to_owned(), cases);
    }
    tests
}

/// Returns the functions of a Go file, as gofmt sets them, with their text.
fn functions(text: &str) -> BTreeMap<&str, &str> {
    let parts = text.split("\nfunc ").skip(1);
    let named = parts.map(|part| {
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
        (&part[..end], part)
    });
    named.collect()
}

fn cases(body: &str) -> BTreeSet<String> {
    static NAMES: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        [
            r#"(?m)^\s*(?:name|desc|description):\s+"([^"]*)""#,
            r#"t\.Run\("([^"]*)""#,
            r#"(?m)^\t\t"([^"]+)":\s*\{$"#,
        ]
        .map(|pattern| Regex::new(pattern).unwrap())
    });
    let found = NAMES.iter().flat_map(|names| names.captures_iter(body));
    found.map(|name| name[1].to_owned()).collect()
}

/// Release notes: the entries of each version without a suffix.
pub(super) struct Changelog(Vec<(String, String)>);

impl Changelog {
    /// Reads the text of a `CHANGELOG-1.N.md`.
    pub(super) fn read(text: &str) -> Self {
        let mut entries: Vec<(String, String)> = Vec::new();
        let (mut version, mut is_open) = (None, false);
        for line in text.lines() {
            if line.starts_with('#') {
                is_open = false;
                if let Some(title) = line.strip_prefix("# ") {
                    version = title.trim().strip_prefix('v').filter(|version| !version.contains('-'));
                }
            } else if let (Some(text), Some(version)) = (line.strip_prefix("- "), version) {
                is_open = true;
                entries.push((version.to_owned(), text.to_owned()));
            } else if is_open && let Some((_, entry)) = entries.last_mut() {
                entry.push(' ');
                entry.push_str(line.trim());
            }
        }
        Self(entries)
    }

    /// Returns the entries with one of `words`: version and text by the number of the pull request, each where it stands first.
    pub(super) fn about(&self, words: &[String]) -> BTreeMap<u32, (String, String)> {
        static PULL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"github\.com/kubernetes/kubernetes/pull/([0-9]+)").unwrap());
        let mut about = BTreeMap::new();
        for (version, entry) in &self.0 {
            let Some(pull) = PULL.captures(entry).and_then(|pull| pull[1].parse().ok()) else {
                continue;
            };
            // Neither addresses nor the names behind the text count.
            let text = entry.split("([#").next().unwrap_or_default();
            let text: Vec<&str> = text.split_whitespace().filter(|word| !word.contains("://")).collect();
            let text = text.join(" ");
            let small = text.to_lowercase();
            if words.iter().any(|word| small.contains(word.as_str())) {
                about.entry(pull).or_insert_with(|| (version.clone(), text));
            }
        }
        about
    }
}

#[test]
fn tests_and_their_cases_are_found_in_a_go_file() {
    let text = "package a\n\nfunc TestMain(m *testing.M) {\n}\n\nfunc TestA(t *testing.T) {\n\ttable := map[string]struct{}{\n\t\t\"one\": {\n\t\t},\n\t}\n\tt.Run(\"two\", nil)\n}\n\n\
        func TestB(t *testing.T) {\n\trun(t, true)\n}\n\nfunc run(t *testing.T, b bool) {\n\t\t\tname: \"three\",\n}\n\nfunc TestC[K any](t *testing.T) {\n}\n";
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let expected = [
        ("TestA", named(&["one", "two"])),
        ("TestB", named(&["three"])),
        ("TestC", named(&[])),
    ];
    assert_eq!(tests(text), expected.map(|(name, cases)| (name.to_owned(), cases)).into());
}

#[test]
fn release_notes_are_read_version_by_version() {
    let text = "# v1.37.1\n\n## Changes\n\n- A token\n  of Bob. ([#12](https://github.com/kubernetes/kubernetes/pull/12), [@token](x)) [SIG Auth]\n\
        - See https://token.example. ([#13](https://github.com/kubernetes/kubernetes/pull/13))\n\n# v1.37.0-rc.1\n\n\
        - A token ([#14](https://github.com/kubernetes/kubernetes/pull/14))\n";
    let about = Changelog::read(text).about(&["token".to_owned()]);
    assert_eq!(about, [(12, ("1.37.1".to_owned(), "A token of Bob.".to_owned()))].into());
}
