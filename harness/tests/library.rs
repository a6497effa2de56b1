//! The library without its features: an error names the missing one. `cargo test --test library --no-default-features` runs these tests;
//! with the feature `containers` there is none.
#![cfg(not(feature = "containers"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use authlab::cluster::Driver;
use authlab::event::Events;
use authlab::hint::Hint;
use authlab::lab::{LabError, LabOptions, with_lab};

#[tokio::test]
async fn a_driver_that_is_not_compiled_is_an_error_that_names_its_feature() {
    for driver in [Driver::Container, Driver::K3s, Driver::Kind] {
        let options = LabOptions {
            cluster: Some(driver),
            own: true,
            ..LabOptions::default()
        };
        let started = with_lab(&options, &Events::silent(), |_| async { Ok::<_, LabError>(()) }).await;
        let error = started.unwrap_err();
        assert!(
            error.to_string().contains("without its feature `containers`"),
            "{driver:?}: {error}"
        );
        assert!(error.hint().unwrap().contains("features = [\"containers\"]"), "{driver:?}");
    }
}
