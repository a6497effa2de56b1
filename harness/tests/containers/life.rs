//! Containers from start to removal, and failing starts.

use std::convert::Infallible;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use authlab::engine::{ContainerSpec, EngineError, Image, Network, Presence, Reach};
use authlab::event::Events;
use authlab::process::wait::{Condition, until};

use crate::stage::{FOREIGN, IMAGE, Stage, said_on};

pub async fn a_container_lives_and_leaves_nothing() {
    let stage = Stage::new().await;
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    let spec = stage.talker("a", &["serve", "8080"]).network(&network, &["talker"]).publish(8080);
    let container = spec.start(&stage.engine).await.unwrap();
    let log = stage.directory.path().join("a.log");
    let following = container.follow(&log).unwrap();
    container.expect_running().await.unwrap();
    let both = until("both lines in the log", Duration::from_secs(20), || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        Ok::<_, Infallible>(if text.contains("on its output\n") && text.contains("on its error output\n") {
            Condition::Met(())
        } else {
            Condition::NotYet(text)
        })
    });
    both.await.unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(said_on(container.published(8080).unwrap()), "hello\n");
    assert_eq!(container.published(8081), None);

    // A second program in the container reaches the first one by its name on the network.
    let output = container.execute(&["talker", "call", "talker:8080"]).await.unwrap();
    assert_eq!((output.code, output.out.as_slice()), (0, &b"hello\n"[..]), "{output:?}");
    let output = container.execute(&["talker", "fail", "7"]).await.unwrap();
    assert_eq!(output.code, 7);
    assert!(output.err.starts_with(b"giving up"));

    let again = container.clone();
    container.stop(Duration::from_secs(5)).await.unwrap();
    following.ended().await.unwrap();
    assert!(matches!(again.expect_running().await, Err(EngineError::NotThere { .. })));
    again.remove().await.unwrap();
    network.remove().await.unwrap();
    assert!(stage.left().await.is_empty());
}

pub async fn a_container_reaches_this_machine_at_its_gateway() {
    let stage = Stage::new().await;
    if stage.engine.reach() != Reach::Gateway {
        return;
    }
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    let gateway = network.gateway().unwrap();
    let listener = TcpListener::bind((gateway, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || writeln!(listener.accept().unwrap().0, "from outside"));
    let spec = stage.talker("a", &["serve", "8080"]).network(&network, &[]);
    let container = spec.start(&stage.engine).await.unwrap();
    let output = container.execute(&["talker", "call", &format!("{gateway}:{port}")]).await.unwrap();
    assert_eq!(output.out, b"from outside\n", "{output:?}");
    answering.join().unwrap().unwrap();
    container.remove().await.unwrap();
    network.remove().await.unwrap();
}

pub async fn containers_share_a_network_namespace() {
    let stage = Stage::new().await;
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    // The first declares the second one's port.
    let first = stage
        .talker("first", &["serve", "8080"])
        .network(&network, &[])
        .publish(8080)
        .publish(9090);
    let first = first.start(&stage.engine).await.unwrap();
    let second = stage
        .talker("second", &["serve", "9090"])
        .inside_of(&first)
        .start(&stage.engine)
        .await
        .unwrap();
    let output = second.execute(&["talker", "call", "127.0.0.1:8080"]).await.unwrap();
    assert_eq!(output.out, b"hello\n", "{output:?}");
    assert_eq!(said_on(first.published(9090).unwrap()), "hello\n");
    second.remove().await.unwrap();
    first.remove().await.unwrap();
    network.remove().await.unwrap();
    assert!(stage.left().await.is_empty());
}

pub async fn files_go_in_and_come_out() {
    let stage = Stage::new().await;
    let container = stage.talker("a", &["serve", "8080"]).create(&stage.engine).await.unwrap();
    container.write("/data/written", b"by us", 0o600).await.unwrap();
    assert_eq!(container.read("/data/written").await.unwrap(), b"by us");
    assert!(matches!(container.read("/data").await, Err(EngineError::Other { .. })));
    assert!(matches!(container.read("/data/none").await, Err(EngineError::NotThere { .. })));
    container.copy_out("/data", stage.directory.path()).await.unwrap();
    let copied = std::fs::read_to_string(stage.directory.path().join("data/written")).unwrap();
    assert_eq!(copied, "by us");
    // It can still be started after that.
    container.start().await.unwrap().remove().await.unwrap();
}

pub async fn a_directory_is_shared_with_its_owner() {
    let stage = Stage::new().await;
    let shared = stage.directory.path().canonicalize().unwrap();
    std::fs::write(shared.join("key"), "secret").unwrap();
    std::fs::set_permissions(shared.join("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let spec = stage
        .talker("a", &["serve", "8080"])
        .shared(&shared)
        .in_memory("/data", "mode=0700");
    let container = spec.start(&stage.engine).await.unwrap();
    assert_eq!(container.read(&format!("{}/key", shared.display())).await.unwrap(), b"secret");
    container.remove().await.unwrap();

    let missing = stage.talker("b", &["serve", "8080"]).shared(shared.join("none"));
    let error = missing.start(&stage.engine).await.unwrap_err();
    assert!(matches!(error, EngineError::Other { .. }), "{error:?}");
    assert!(!shared.join("none").exists());
    assert!(stage.left().await.is_empty());
}

pub async fn one_that_ended_by_itself_is_told_with_its_last_words() {
    let stage = Stage::new().await;
    let container = stage.talker("a", &["fail", "3"]).start(&stage.engine).await.unwrap();
    let ended = until("the end", Duration::from_secs(20), || async {
        Ok::<_, Infallible>(match container.expect_running().await {
            Err(error) => Condition::Met(error),
            Ok(()) => Condition::NotYet("it runs".to_owned()),
        })
    });
    let error = ended.await.unwrap();
    let EngineError::Ended { code: 3, tail, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(tail, &["giving up with password=[redacted]"]);
    container.remove().await.unwrap();
}

pub async fn a_start_that_fails_leaves_nothing() {
    let stage = Stage::new().await;
    let error = stage.talker("a", &[]).program("nosuch").start(&stage.engine).await.unwrap_err();
    assert!(matches!(error, EngineError::ProgramMissing { .. }), "{error:?}");
    // The program exits before the engine can be asked for its ports.
    let error = stage.talker("b", &["fail", "4"]).publish(8080).start(&stage.engine).await;
    if let Ok(container) = error {
        container.remove().await.unwrap();
    }
    assert!(stage.left().await.is_empty());
}

pub async fn names_are_taken_once() {
    let stage = Stage::new().await;
    let spec = stage.talker("a", &["serve", "8080"]);
    let container = spec.start(&stage.engine).await.unwrap();
    let error = spec.start(&stage.engine).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { .. }), "{error:?}");
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    let error = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { .. }), "{error:?}");
    // The first container and the first network are unchanged.
    assert_eq!(stage.left().await.len(), 2);
    container.expect_running().await.unwrap();
    container.remove().await.unwrap();
    network.remove().await.unwrap();
}

pub async fn an_image_has_to_be_there_and_to_fit() {
    let stage = Stage::new().await;
    let Presence::Present(image) = Image::presence(&stage.engine, IMAGE).await.unwrap() else {
        panic!("it was loaded")
    };
    assert_eq!(image.architecture, stage.engine.architecture());
    assert!(image.id.starts_with("sha256:") && image.size > 0, "{image:?}");
    let missing = ContainerSpec::new(stage.name("a"), "localhost/authlab/talker:none", &stage.labels);
    let error = missing.start(&stage.engine).await.unwrap_err();
    assert!(matches!(error, EngineError::ImageMissing { said: None, .. }), "{error:?}");
    // An unreachable registry: nothing listens on that port.
    let events = Events::silent();
    let error = Image::pull(&stage.engine, "localhost:1/authlab/talker:none", &events)
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::ImageMissing { said: Some(_), .. }), "{error:?}");
    let foreign = ContainerSpec::new(stage.name("a"), FOREIGN, &stage.labels).program("talker");
    let error = foreign.start(&stage.engine).await.unwrap_err();
    assert!(matches!(error, EngineError::WrongArchitecture { .. }), "{error:?}");
    assert!(stage.left().await.is_empty());
}

pub async fn what_is_no_archive_is_not_loaded() {
    let stage = Stage::new().await;
    let path = stage.directory.path().join("image.tar");
    std::fs::write(&path, "no archive").unwrap();
    assert!(Image::load(&stage.engine, &path).await.is_err());
    assert!(matches!(
        Image::load(&stage.engine, &path.with_extension("none")).await,
        Err(EngineError::File { .. })
    ));
    assert!(matches!(
        Image::load(&stage.engine, stage.directory.path()).await,
        Err(EngineError::File { .. })
    ));
}
