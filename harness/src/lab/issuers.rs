//! The paths of the lab's issuer: API servers see each as a separate issuer.
//!
//! The main function is [`paths`].

use crate::identity_provider::issuer::{Algorithm, HIDDEN, IssuerPath};
use crate::token_shape::ShapedIssuer;

/// Returns the issuers that `fixtures/authentication/` and `fixtures/token_shapes/` trust. One RSA key serves many algorithms, and takes longest to generate.
pub(super) fn paths() -> Vec<IssuerPath> {
    use Algorithm::{Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let plain = [
        "expressions",
        "claim-rule",
        "required-claim",
        "email",
        "distributed-claims",
        "escaped-claim",
        "learners",
    ];
    let discovery_url = IssuerPath::new("discovery-url", &[Es256]).called("https://issuer.example");
    let discovery_url_with_path = IssuerPath::new("discovery-url-with-path", &[Es256]).called("https://issuer.example/a/b");
    let mut paths = vec![
        IssuerPath::new("rs256", &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
        IssuerPath::new("es256", &[Es256, Es384, Es512]),
        IssuerPath::new("unreachable-keys", &[Es256]).withholding_keys(),
        IssuerPath::new("unshared", &[Es256]).unshared(),
        IssuerPath::new("keys-not-kept", &[Es256]).unshared(),
        IssuerPath::new("keys-kept-for-a-day", &[Es256]).letting_keys_be_kept().unshared(),
        IssuerPath::new("late", &[Es256]).failing_at_first(),
        discovery_url,
        discovery_url_with_path,
        IssuerPath::new("behind-egress", &[Es256]).called(format!("https://{HIDDEN}/behind-egress")),
    ];
    paths.extend(plain.map(|path| IssuerPath::new(path, &[Es256])));
    paths.extend(ShapedIssuer::trusted().map(|issuer| IssuerPath::new(issuer.name, &[Es256]).called(&issuer.url)));
    paths
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns the scenarios in the feature files below `folder`, as text.
    fn scenarios(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let in_entry = |path: std::path::PathBuf| match path.extension() {
            _ if path.is_dir() => scenarios(&path),
            Some(kind) if kind == "feature" => {
                let text = std::fs::read_to_string(&path).unwrap();
                text.split("Scenario").skip(1).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        entries.flat_map(in_entry).collect()
    }

    #[test]
    fn an_issuer_for_one_scenario_is_in_one_scenario() {
        let scenarios = scenarios(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/features")));
        let unshared = paths().into_iter().filter(|path| path.is_unshared);
        let users = unshared.map(|IssuerPath { path, .. }| {
            let named = format!("\"{path}\"");
            let users = scenarios.iter().filter(|scenario| scenario.contains(&named)).count();
            (path, users)
        });
        let expected = ["unshared", "keys-not-kept", "keys-kept-for-a-day"].map(|path| (path.to_owned(), 1));
        assert_eq!(users.collect::<Vec<_>>(), expected);
    }
}
