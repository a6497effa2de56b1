//! The packages that are compiled into the command and its tests.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Broken, root};

/// Returns each package that edges of kind `edges` lead to, with its features.
fn packages(edges: &str) -> BTreeMap<String, String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", "authlab", "--no-dedupe", "--prefix", "none"]);
    tree.args(["--edges", edges, "--format", "{p}|{f}"]).current_dir(root());
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('|'));
    pairs.map(|(package, features)| (package.to_owned(), features.to_owned())).collect()
}

#[test]
fn tests_use_what_was_compiled_for_the_command() {
    let mut broken = Broken::rule(
        "a feature of a package that only a dev-dependency asks for has the package, and all that use it, compiled a second time for \
         `cargo test`: ask for it in [dependencies], too, or do without",
    );
    let tests = packages("normal,build,dev");
    for (package, features) in packages("normal,build") {
        broken.unless(tests.get(&package) == Some(&features), || {
            format!(
                "{package}: {features}, and for tests: {}",
                tests.get(&package).map_or("-", String::as_str)
            )
        });
    }
}
