//! The container engine, tested on a real one: the engine that `DOCKER_HOST` names, or that is at a usual place.
//!
//! Without an engine, each test is listed as ignored, with the reason in brackets before its name: a test binary with a `main` of
//! its own, since Rust's own tests cannot report at run time that they were skipped. `.ci/engine start DIR` starts an engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ends;
mod keycloak;
mod life;
mod stage;

use std::process::ExitCode;

use authlab::engine::Engine;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if let Some(exit) = ends::own_when_asked() {
        return exit;
    }
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::from_args();
    let runtime = runtime();
    // Listing the tests needs no preparation.
    let (missing, loaded) = match runtime.block_on(Engine::find(None)) {
        _ if arguments.list => (None, Ok(())),
        Err(error) => (Some(error.to_string()), Ok(())),
        Ok(_) if which::which("go").is_err() => (Some("go, which builds what is run, is not installed".to_owned()), Ok(())),
        Ok(engine) => (None, runtime.block_on(stage::load_images(&engine))),
    };
    let (official, prepared) = runtime.block_on(async {
        match Engine::find(None).await {
            Ok(engine) if missing.is_none() && !arguments.list => {
                (keycloak::missing_official(&engine).await, keycloak::missing_prepared(&engine).await)
            }
            _ => (missing.clone(), missing.clone()),
        }
    });
    let mut trials = Vec::new();
    macro_rules! on_an_engine {
        ($($module:ident::$name:ident),* $(,)?) => {
            $(trials.push(trial(stringify!($name), missing.as_deref(), {
                let loaded = loaded.clone();
                || {
                    loaded?;
                    runtime_of_a_test($module::$name());
                    Ok(())
                }
            }));)*
        };
    }
    on_an_engine!(
        life::a_container_lives_and_leaves_nothing,
        life::a_container_reaches_this_machine_at_its_gateway,
        life::containers_share_a_network_namespace,
        life::files_go_in_and_come_out,
        life::a_directory_is_shared_with_its_owner,
        life::one_that_ended_by_itself_is_told_with_its_last_words,
        life::a_start_that_fails_leaves_nothing,
        life::names_are_taken_once,
        life::an_image_has_to_be_there_and_to_fit,
        life::what_is_no_archive_is_not_loaded,
        ends::a_sweep_takes_what_has_the_label_and_nothing_else,
        ends::an_owner_that_is_killed_is_cleared_up_after,
        ends::an_owner_that_ends_well_dismisses_its_watcher,
    );
    trials.push(trial(
        "the_official_image_imports_a_realm_and_gives_tokens",
        official.as_deref(),
        || {
            runtime_of_a_test(keycloak::the_official_image_imports_a_realm_and_gives_tokens());
            Ok(())
        },
    ));
    trials.push(trial("the_prepared_image_is_the_labs_keycloak", prepared.as_deref(), || {
        runtime_of_a_test(keycloak::the_prepared_image_is_the_labs_keycloak());
        Ok(())
    }));
    let own = ends::own_engine_missing();
    trials.push(trial("an_engine_that_is_killed_is_gone", own.as_deref(), || {
        runtime_of_a_test(ends::an_engine_that_is_killed_is_gone());
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, missing: Option<&str>, test: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    let trial = Trial::test(name, || test().map_err(Failed::from));
    match missing {
        None => trial,
        Some(why) => trial.with_ignored_flag(true).with_kind(why.replace('\n', " ")),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn runtime_of_a_test(test: impl Future<Output = ()>) {
    runtime().block_on(test);
}
