//! The descriptions of `authlab-testcontainers` start the versions that authlab pins.

use authlab::server_binaries::Versions;
use authlab::server_binaries::images::Images;
use authlab_testcontainers::description::{k3s, keycloak};

#[test]
fn the_default_images_are_the_pinned_ones() {
    let images = Images::of(Versions::pinned().newest(), None).unwrap();
    let rule = "harness/testcontainers/src/description/ and fixtures/versions.toml state the same versions";
    let described = format!("{}:{}", keycloak::IMAGE, keycloak::TAG);
    assert_eq!(images.keycloak.without_digest().to_string(), described, "{rule}");
    let described = format!("{}:{}", k3s::IMAGE, k3s::TAG);
    assert_eq!(images.k3s.unwrap().without_digest().to_string(), described, "{rule}");
}
