//! The cache: concurrent use, leftovers of an interruption, pruning, named directories. Each request is an [`obtain`].

use super::tools::path_with;
use super::*;

#[tokio::test]
async fn of_two_at_once_the_second_uses_what_the_first_made() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let events = told.events();
    let (one, other) = tokio::join!(obtain(&kubernetes, &options, &events), obtain(&kubernetes, &options, &events));
    assert_eq!(one.expect("a sound release").directory, other.expect("a sound release").directory);
    assert_eq!(server.asked_for("kube-apiserver.sha256"), 1);
    assert!(
        told.details().iter().any(|detail| detail == "another authlab is building it"),
        "{:?}",
        told.details()
    );
}

#[tokio::test]
async fn what_an_interrupted_authlab_left_is_cleared_and_never_taken_for_finished() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let version = kubernetes.version.to_string();
    let parent = cache.path().join("kubernetes");
    for directory in [format!(".{version}.partial-abc/files"), version.clone()] {
        std::fs::create_dir_all(parent.join(&directory)).expect("ours");
        std::fs::write(parent.join(directory).join("etcd"), "half of it").expect("ours");
    }
    let options = server.options(cache.path());
    let states: Vec<State> = list(&options)
        .expect("readable")
        .into_iter()
        .filter(|listed| listed.version == version)
        .map(|listed| listed.state)
        .collect();
    assert_eq!(states, [State::Damaged]);
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!(left_in(cache.path(), "kubernetes"), [version]);
    assert_eq!(
        std::fs::read(binaries.etcd).expect("there"),
        says(&format!("etcd Version: {}", kubernetes.etcd))
    );
    assert!(
        told.notes()[0].contains("damaged and will be replaced: it has no manifest"),
        "{:?}",
        told.notes()
    );
}

#[tokio::test]
async fn pruning_keeps_what_is_in_use_and_what_is_not_ours() {
    let (mut kubernetes, cache) = (newest(), cache());
    // A version without a pin.
    kubernetes.version.patch = 99;
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let binaries = obtain(&kubernetes, &options, &Events::silent()).await.expect("a sound release");
    let foreign = cache.path().join("kubernetes/notes.txt");
    std::fs::write(&foreign, "mine").expect("ours");

    let hold = binaries.hold();
    let directory = binaries.directory.clone();
    drop(binaries);
    let pruned = prune(&options, &Unwanted::Everything).await.expect("writable");
    assert!(pruned.len() == 1 && pruned[0].in_use && directory.exists(), "{pruned:?}");
    drop(hold);
    let bytes = list(&options)
        .expect("readable")
        .into_iter()
        .find_map(|listed| if listed.pinned { None } else { listed.bytes });
    let pruned = prune(&options, &Unwanted::Unneeded).await.expect("writable");
    assert!(
        !pruned[0].in_use && Some(pruned[0].bytes) >= bytes && !directory.exists(),
        "{pruned:?}"
    );
    assert!(foreign.exists());
    assert!(prune(&options, &Unwanted::Unneeded).await.expect("writable").is_empty());
}

#[tokio::test]
async fn pruning_keeps_pinned_versions_unless_all_go() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let directory = obtain(&kubernetes, &options, &Events::silent())
        .await
        .expect("a sound release")
        .directory;
    assert!(prune(&options, &Unwanted::Unneeded).await.expect("writable").is_empty() && directory.exists());
    let other = Unwanted::Versions(vec!["1.30.14".to_owned()]);
    assert!(prune(&options, &other).await.expect("writable").is_empty() && directory.exists());
    std::fs::write(directory.join("kubectl"), "").expect("ours");
    let pruned = prune(&options, &Unwanted::Unneeded).await.expect("writable");
    assert!(
        pruned.len() == 1 && !directory.exists(),
        "what is visibly damaged is of no use: {pruned:?}"
    );
    obtain(&kubernetes, &options, &Events::silent()).await.expect("a sound release");
    assert!(prune(&options, &Unwanted::Everything).await.expect("writable")[0].bytes > 0 && !directory.exists());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_an_error_and_no_source_is_asked() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let file = cache.path().join("file");
    std::fs::write(&file, "").expect("ours");
    let error = obtain(&kubernetes, &server.options(&file), &Events::silent())
        .await
        .expect_err("not a directory");
    assert!(matches!(error, ServerBinariesError::Cache(CacheError::Storage { .. })), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("AUTHLAB_CACHE_DIR")));
    assert_eq!(server.asked_for(""), 0);
}

#[tokio::test]
async fn a_named_directory_serves_or_is_an_error_and_one_for_other_programs_is_passed_over() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let named = path_with("etcd", "");
    for program in ["kube-apiserver", "kubectl"] {
        std::fs::copy(named.path().join("etcd"), named.path().join(program)).expect("ours");
    }
    let options = Options {
        directory: Some(named.path().to_owned()),
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &told.events()).await.expect_err("incomplete");
    assert!(
        std::error::Error::source(&error).is_some_and(|cause| cause.to_string().ends_with("has no kube-controller-manager")),
        "{error:?}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("envtest")), "{error:?}");
    assert_eq!(server.asked_for(""), 0, "what was named is not replaced by something else");

    let options = Options {
        directory: None,
        assets: Some(named.path().to_owned()),
        ..options
    };
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!(binaries.source, Source::Release);
    assert!(
        told.notes()[0].starts_with("not using KUBEBUILDER_ASSETS: ") && told.notes().len() == 1,
        "{:?}",
        told.notes()
    );

    let complete = Options {
        directory: Some(binaries.directory.clone()),
        ..options
    };
    let named = obtain(&kubernetes, &complete, &told.events()).await.expect("complete");
    assert_eq!((named.source, named.directory), (Source::Named, binaries.directory));
}

#[tokio::test]
async fn keycloak_is_unpacked_from_its_release_archive_when_that_is_as_pinned() {
    let cache = cache();
    let server = ReleaseServer::start().await;
    let archive = tar_gz(&[
        ("keycloak-26.7.4/bin/kc.sh", b"#!/bin/sh\n"),
        ("keycloak-26.7.4/version.txt", b"Keycloak - Version 26.7.4"),
    ]);
    let mut keycloak = Keycloak {
        version: "26.7.4".to_owned(),
        sha256: BTreeMap::from([("keycloak-26.7.4.tar.gz".to_owned(), sha256(&archive))]),
    };
    let path = "/keycloak/26.7.4/keycloak-26.7.4.tar.gz";
    server.answer(path, Answer::Body(archive));
    let options = server.options(cache.path());
    let home = obtain_keycloak(&keycloak, &options, &Events::silent())
        .await
        .expect("a sound release");
    assert_eq!((home.version.as_str(), home.source), ("26.7.4", Source::Release));
    let kc = home.directory.join("bin/kc.sh").metadata().expect("there");
    assert!(std::os::unix::fs::PermissionsExt::mode(&kc.permissions()) & 0o111 != 0);
    assert_eq!(left_in(cache.path(), "keycloak"), ["26.7.4"]);
    drop(home);

    let other = tar_gz(&[("keycloak-26.7.4/bin/kc.sh", b"evil")]);
    let published = hex::encode(sha2::Sha256::digest(&other));
    server.answer(path, Answer::Body(other));
    server.answer(&format!("{path}.sha256"), Answer::Body(published.into_bytes()));
    let refused = async |keycloak: &Keycloak| {
        prune(&options, &Unwanted::Everything).await.expect("writable");
        let error = obtain_keycloak(keycloak, &options, &Events::silent()).await;
        error.expect_err("it is another").to_string()
    };
    let error = refused(&keycloak).await;
    assert!(error.contains("has the SHA-256 ") && error.contains(", pinned)"), "{error}");
    keycloak.sha256.clear();
    let asked = server.asked_for("");
    let error = refused(&keycloak).await;
    assert!(error.contains("no SHA-256 of keycloak-26.7.4.tar.gz is pinned"), "{error}");
    assert_eq!(server.asked_for(""), asked, "what lies beside a file does not make it trustworthy");
}

#[tokio::test]
async fn a_file_of_the_cache_that_was_changed_is_noticed_whatever_its_size() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let etcd = obtain(&kubernetes, &options, &Events::silent())
        .await
        .expect("a sound release")
        .etcd;
    let sound = std::fs::read(&etcd).expect("there");
    let asked = server.asked_for("");
    obtain(&kubernetes, &options, &told.events()).await.expect("cached");
    assert_eq!(
        (server.asked_for(""), told.details().len(), told.phases()),
        (asked, 0, Vec::<String>::new())
    );

    // A changed modification time alone is not damage; the file is hashed once more.
    let earlier = std::time::SystemTime::UNIX_EPOCH;
    std::fs::File::options()
        .append(true)
        .open(&etcd)
        .expect("ours")
        .set_modified(earlier)
        .expect("ours");
    for verified in [1, 1] {
        obtain(&kubernetes, &options, &told.events()).await.expect("cached");
        assert_eq!(told.phases().len(), verified, "{:?}", told.phases());
    }
    assert_eq!(server.asked_for(""), asked);

    std::fs::write(&etcd, vec![b'x'; sound.len()]).expect("ours");
    obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!(std::fs::read(&etcd).expect("there"), sound, "it was replaced");
    assert!(
        told.notes()[0].contains("is damaged and will be replaced: etcd: expected "),
        "{:?}",
        told.notes()
    );
}

#[tokio::test]
async fn the_cache_is_its_users_alone_and_one_that_others_can_change_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (kubernetes, home) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let cache = home.path().join("a/cache");
    let options = server.options(&cache);
    let binaries = obtain(&kubernetes, &options, &Events::silent()).await.expect("a sound release");
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&cache.join("kubernetes"))), (0o700, 0o700));
    let directory = binaries.directory.clone();
    for path in [&cache, &cache.join("kubernetes"), &directory] {
        let before = path.metadata().expect("there").permissions();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o775)).expect("ours");
        let error = obtain(&kubernetes, &options, &Events::silent())
            .await
            .expect_err("others can change it");
        let ServerBinariesError::Cache(CacheError::Untrusted { path: told, .. }) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(told, path);
        assert!(error.hint().expect("a hint").contains("chmod go-w"), "{:?}", error.hint());
        std::fs::set_permissions(path, before).expect("ours");
    }
    obtain(&kubernetes, &options, &Events::silent()).await.expect("nobody else can");
}
