//! The paths of the lab's issuer: API servers see each as a separate issuer.
//!
//! The main function is [`paths`].

use crate::identity_provider::issuer::{Algorithm, HIDDEN, IssuerPath};

/// Returns the issuers that `fixtures/authentication/` trusts. One RSA key serves many algorithms, and takes longest to generate.
pub(super) fn paths() -> Vec<IssuerPath> {
    use Algorithm::{Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let plain = [
        "mapped",
        "strict",
        "required",
        "email",
        "distributed",
        "metered",
        "escaped",
        "learners",
    ];
    let discovered = IssuerPath::new("discovered", &[Es256]).called("https://issuer.example");
    let discovered_deep = IssuerPath::new("discovered-deep", &[Es256]).called("https://issuer.example/a/b");
    let mut paths = vec![
        IssuerPath::new("rs256", &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
        IssuerPath::new("es256", &[Es256, Es384, Es512]),
        IssuerPath::new("keyless", &[Es256]).withholding_keys(),
        discovered,
        discovered_deep,
        IssuerPath::new("hidden", &[Es256]).called(format!("https://{HIDDEN}/hidden")),
    ];
    paths.extend(plain.map(|path| IssuerPath::new(path, &[Es256])));
    paths
}
