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
        "unshared",
        "keys-not-kept",
        "escaped-claim",
        "learners",
    ];
    let discovery_url = IssuerPath::new("discovery-url", &[Es256]).called("https://issuer.example");
    let discovery_url_with_path = IssuerPath::new("discovery-url-with-path", &[Es256]).called("https://issuer.example/a/b");
    let mut paths = vec![
        IssuerPath::new("rs256", &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
        IssuerPath::new("es256", &[Es256, Es384, Es512]),
        IssuerPath::new("unreachable-keys", &[Es256]).withholding_keys(),
        IssuerPath::new("keys-kept-for-a-day", &[Es256]).letting_keys_be_kept(),
        IssuerPath::new("late", &[Es256]).failing_at_first(),
        discovery_url,
        discovery_url_with_path,
        IssuerPath::new("behind-egress", &[Es256]).called(format!("https://{HIDDEN}/behind-egress")),
    ];
    paths.extend(plain.map(|path| IssuerPath::new(path, &[Es256])));
    paths.extend(ShapedIssuer::trusted().map(|issuer| IssuerPath::new(issuer.name, &[Es256]).called(&issuer.url)));
    paths
}
