//! Texts that belong to one machine or to nobody: paths of somebody's home, and private keys. They are in no tracked file.

use regex::Regex;

use crate::{Broken, FILES};

#[test]
fn no_file_knows_one_machine_or_holds_a_key() {
    let homes = ["root", "work", "home/[a-z]", "Users/[A-Za-z]", "tmp/[A-Za-z]", "private/var"].join("|");
    let machine = Regex::new(&format!(r#"(^|[\s`"'(=:])/({homes})[\w./-]*"#)).unwrap();
    let key = Regex::new(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*(\\n)?\s*[A-Za-z0-9+/=]{40}").unwrap();
    let mut broken = Broken::rule(
        "no path of somebody's machine (ask `dirs`, or a temporary directory) and no private key (make it anew) in a tracked file",
    );
    for file in FILES.iter().filter(|file| file.path != "Cargo.lock") {
        broken.unless(!key.is_match(&file.text), || format!("{}: a private key", file.path));
        for (number, line) in file.lines() {
            if let Some(found) = machine.find(line) {
                broken.by(format!("{}:{number}: `{}`", file.path, found.as_str().trim()));
            }
        }
    }
}
