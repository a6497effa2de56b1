//! Release files: downloaded, verified, and refused when anything about them is wrong. The server is [`ReleaseServer`].

use super::*;

#[tokio::test]
async fn a_release_is_downloaded_verified_and_found_in_the_cache_from_then_on() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!((binaries.version, binaries.source), (kubernetes.version, Source::Release));
    assert_eq!(
        binaries.directory,
        cache.path().join("kubernetes").join(kubernetes.version.to_string())
    );
    for program in [
        &binaries.etcd,
        &binaries.kube_apiserver,
        &binaries.kube_controller_manager,
        &binaries.kubectl,
    ] {
        assert!(
            std::os::unix::fs::PermissionsExt::mode(&program.metadata().expect("there").permissions()) & 0o111 != 0,
            "{}",
            program.display()
        );
    }
    assert!(
        told.details().iter().any(|detail| detail == "kube-apiserver"),
        "{:?}",
        told.details()
    );
    assert_eq!(told.notes(), Vec::<String>::new());

    let asked = server.asked_for("");
    assert_eq!(
        obtain(&kubernetes, &options, &Events::silent()).await.expect("cached").source,
        Source::Release
    );
    assert_eq!(server.asked_for(""), asked, "the cache serves");
    let sound = verify(&options, &Events::silent()).await.expect("readable");
    assert!(sound.len() == 1 && sound[0].damage.is_empty(), "{sound:?}");

    std::fs::write(&binaries.kubectl, says("Kubernetes v6.66.6")).expect("ours");
    let damaged = verify(&options, &Events::silent()).await.expect("readable");
    assert!(damaged[0].damage[0].starts_with("kubectl"), "{damaged:?}");
}

#[tokio::test]
async fn redirects_are_followed_to_another_server() {
    let (kubernetes, cache) = (newest(), cache());
    let (server, other) = (ReleaseServer::of(&kubernetes).await, ReleaseServer::start().await);
    let path = api_server(&kubernetes);
    other.answer("/elsewhere", server.answered(&path));
    server.answer(&path, Answer::Redirect(format!("{}/elsewhere", other.base)));
    obtain(&kubernetes, &server.options(cache.path()), &Events::silent())
        .await
        .expect("a sound release");
    assert_eq!(other.asked_for("/elsewhere"), 1);
}

#[tokio::test]
async fn redirects_without_end_are_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let path = api_server(&kubernetes);
    server.answer(&path, Answer::Redirect(path.clone()));
    assert!(refused(&server, &kubernetes).await.contains("too many redirects"));
}

#[tokio::test]
async fn another_checksum_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&api_server(&kubernetes), Answer::Body(says("evil")));
    let error = refused(&server, &kubernetes).await;
    assert!(
        error.contains(&format!("has the SHA-256 {} (expected ", sha256(&says("evil")))),
        "{error}"
    );
    assert!(error.contains(", published beside it)"), "{error}");
}

#[tokio::test]
async fn another_checksum_of_the_archive_of_etcd_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let name = format!("etcd-v{}-linux-{}.tar.gz", kubernetes.etcd, architecture());
    server.answer(
        &format!("/etcd/v{}/{name}", kubernetes.etcd),
        Answer::Body(tar_gz(&[("etcd", b"evil")])),
    );
    assert!(refused(&server, &kubernetes).await.contains(&format!("{name} has the SHA-256")));
}

#[tokio::test]
async fn a_truncated_body_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&api_server(&kubernetes), Answer::Truncated(b"12345".to_vec()));
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains("broke off after 5 bytes of 105"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_checksum_is_refused_before_anything_large_is_fetched() {
    let kubernetes = newest();
    for answer in [
        Answer::Status(404),
        Answer::Status(500),
        Answer::Body(b"<html>sign in</html>".to_vec()),
        Answer::Body(Vec::new()),
    ] {
        let server = ReleaseServer::of(&kubernetes).await;
        let path = format!("{}.sha256", api_server(&kubernetes));
        server.answer(&path, answer.clone());
        let error = refused(&server, &kubernetes).await;
        let expected = match answer {
            Answer::Status(status) => format!("{path} answered {status}"),
            _ => format!("{path} has no checksum of kube-apiserver"),
        };
        assert!(error.contains(&expected), "{error}");
        assert_eq!(server.asked_for(""), 1, "only the checksum was asked for");
    }
}

#[tokio::test]
async fn a_pinned_checksum_counts_for_more_than_a_published_one() {
    let (mut kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let script = says(&format!("Kubernetes v{}", kubernetes.version));
    let key = format!("linux/{}/kube-apiserver", architecture());
    kubernetes.sha256.insert(key.clone(), sha256(b"the true one"));
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains(&format!("expected {}, pinned)", sha256(b"the true one"))), "{error}");

    kubernetes.sha256.insert(key, sha256(&script).to_ascii_uppercase());
    obtain(&kubernetes, &server.options(cache.path()), &Events::silent())
        .await
        .expect("it is as pinned");
    assert_eq!(server.asked_for("kube-apiserver.sha256"), 0);
}

#[tokio::test]
async fn plain_http_from_another_machine_is_refused_for_a_file_without_a_pin_before_anybody_is_asked() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = Options {
        // No server could respond at this address: it is refused before any request.
        release_mirror: "http://me:secret@mirror.invalid/release".to_owned(),
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &Events::silent()).await.expect_err("it is refused");
    let expected = "cannot trust http://[redacted]@mirror.invalid/release: it is not https, and no SHA-256 of kube-apiserver is pinned";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(error.hint().as_deref(), Some("name a mirror with an https:// address"));
    // A redirect of a local server to such an address is refused, too.
    server.answer(
        &format!("{}.sha256", api_server(&kubernetes)),
        Answer::Redirect("http://mirror.invalid/x".to_owned()),
    );
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains("it redirects to an address that is not https"), "{error}");
}

#[tokio::test]
async fn a_pinned_file_that_the_mirror_lacks_is_noticed_before_anything_large_is_fetched() {
    let mut kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    for program in ["kube-apiserver", "kube-controller-manager", "kubectl"] {
        let pin = sha256(&says(&format!("Kubernetes v{}", kubernetes.version)));
        kubernetes.sha256.insert(format!("linux/{}/{program}", architecture()), pin);
    }
    let path = api_server(&kubernetes).replace("kube-apiserver", "kubectl");
    server.answer(&path, Answer::Status(404));
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains("/kubectl answered 404"), "{error}");
    assert_eq!(server.asked_for("/etcd/"), 0);
}

#[tokio::test]
async fn a_release_that_is_of_another_version_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let (path, script) = (api_server(&kubernetes), says("Kubernetes v1.2.3"));
    server.answer(&format!("{path}.sha256"), Answer::Body(sha256(&script).into_bytes()));
    server.answer(&path, Answer::Body(script));
    let error = refused(&server, &kubernetes).await;
    assert!(
        error.contains(&format!("kube-apiserver is 1.2.3 (expected {})", kubernetes.version)),
        "{error}"
    );
}

#[tokio::test]
async fn a_mirror_that_does_not_answer_is_waited_for_and_told_about_once() {
    let (kubernetes, older, cache, told) = (newest(), Versions::pinned().kubernetes[0].clone(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&format!("{}.sha256", api_server(&kubernetes)), Answer::Silence);
    let options = server.options(cache.path());
    let error = obtain(&kubernetes, &options, &told.events())
        .await
        .expect_err("nobody answers")
        .to_string();
    assert!(error.contains("timed out after 2s waiting for "), "{error}");
    let error = obtain(&older, &options.clone(), &told.events())
        .await
        .expect_err("nobody answers")
        .to_string();
    assert!(error.contains("/release did not respond earlier"), "{error}");
    assert_eq!(told.notes().len(), 1, "{:?}", told.notes());
    assert_eq!(server.asked_for(""), 1);
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = Options {
        release_mirror: "no address".to_owned(),
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &Events::silent())
        .await
        .expect_err("no address")
        .to_string();
    assert!(error.contains("cannot send a request to "), "{error}");
}

#[tokio::test]
async fn offline_asks_nobody_and_says_what_to_do() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = Options {
        offline: true,
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &Events::silent()).await.expect_err("offline");
    assert!(error.hint().is_some_and(|hint| hint.contains("network")), "{error:?}");
    assert_eq!(server.asked_for(""), 0);
}
