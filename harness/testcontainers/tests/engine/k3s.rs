//! k3s, as a stand-in: how it becomes ready, and how it fails.

use std::time::Duration;

use authlab_testcontainers::{Error, K3s};

use crate::runtime;
use crate::stage::{K3S, TAGS, left, of, published_on};

fn k3s(configuration: &str) -> K3s {
    K3s::default()
        .with_image(K3S, TAGS[0])
        .with_authentication_configuration(configuration)
}

pub fn it_is_ready_when_its_own_certificate_is_answered() {
    runtime().block_on(async {
        let k3s = k3s("works").start_with(of("k3s ready")).await.unwrap();
        let server = format!("    server: {}\n", k3s.url());
        assert!(k3s.kubeconfig().contains(&server), "{server} in {}", k3s.kubeconfig());
        assert_eq!(published_on(k3s.id()).await, ["127.0.0.1"]);
        let log = k3s.log().await.unwrap();
        // It runs without any capability, and cannot gain one.
        assert!(log.contains("CapEff: 0000000000000000") && log.contains("NoNewPrivs: 1"), "{log}");
        assert!(!format!("{k3s:?}").contains("client-key-data"));
        k3s.stop().await.unwrap();
        assert_eq!(left("k3s ready").await, 0);
    });
}

pub fn one_that_ends_says_its_last_lines_and_leaves_nothing() {
    runtime().block_on(async {
        let error = k3s("refuse").start_with(of("k3s ends")).await.unwrap_err();
        assert!(matches!(error, Error::Ended { code: Some(3), .. }), "{error:?}");
        assert!(error.to_string().ends_with("jwt[0].issuer.url: Required value\""), "{error}");
        assert_eq!(left("k3s ends").await, 0);
    });
}

pub fn one_that_is_not_ready_in_time_says_why_and_leaves_nothing() {
    runtime().block_on(async {
        let slow = k3s("slow").with_ready_timeout(Duration::from_secs(20));
        let error = slow.start_with(of("k3s slow")).await.unwrap_err();
        let Error::NotReady { why, log, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(why, "/readyz answered 500");
        assert!(log.to_string().contains("Running kube-apiserver"), "{error}");
        assert_eq!(left("k3s slow").await, 0);
    });
}

pub fn a_start_that_fails_before_there_is_a_handle_leaves_nothing() {
    runtime().block_on(async {
        let broken = k3s("works").with_image(K3S, TAGS[1]);
        let error = broken.start_with(of("k3s broken")).await.unwrap_err();
        assert!(matches!(error, Error::Container { .. }), "{error:?}");
        assert_eq!(left("k3s broken").await, 0);
    });
}

pub fn it_starts_without_async_and_ends_when_it_is_dropped() {
    let k3s = k3s("works").start_blocking_with(of("k3s blocking")).unwrap();
    assert!(k3s.kubeconfig().contains(&k3s.url()));
    assert!(k3s.log().unwrap().contains("Running kube-apiserver"));
    drop(k3s);
    assert_eq!(runtime().block_on(left("k3s blocking")), 0);
}
