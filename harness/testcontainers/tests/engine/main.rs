//! Keycloak and k3s on a real container engine: the one that `DOCKER_HOST` names, or that testcontainers finds.
//!
//! Without an engine or an image, a test is listed as ignored, with the reason in brackets before its name. `.ci/engine start DIR`
//! starts an engine and `.ci/keycloak-image` makes an image of Keycloak; k3s is a stand-in (`k3s.go`), which Go builds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod k3s;
mod keycloak;
mod stage;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Keycloak builds itself at each start, and needs the whole machine for it.
    arguments.test_threads = Some(1);
    let (engine, keycloak) = if arguments.list {
        // Listing needs no preparation.
        (None, None)
    } else {
        runtime().block_on(async { (stage::missing_engine().await, stage::missing_keycloak().await) })
    };
    let loaded = match &engine {
        None if !arguments.list => runtime().block_on(stage::load_k3s()),
        _ => Ok(()),
    };
    let mut trials = Vec::new();
    macro_rules! trials {
        ($missing:expr, $loaded:expr, $($module:ident::$name:ident),* $(,)?) => {
            $(trials.push({
                let loaded: Result<(), String> = $loaded.clone();
                let trial = Trial::test(stringify!($name), move || {
                    loaded.map_err(Failed::from)?;
                    $module::$name();
                    Ok(())
                });
                match $missing {
                    None => trial,
                    Some(why) => trial.with_ignored_flag(true).with_kind(why.replace('\n', " ")),
                }
            });)*
        };
    }
    trials!(
        engine.as_deref(),
        loaded,
        k3s::it_is_ready_when_its_own_certificate_is_answered,
        k3s::one_that_ends_says_its_last_lines_and_leaves_nothing,
        k3s::one_that_is_not_ready_in_time_says_why_and_leaves_nothing,
        k3s::a_start_that_fails_before_there_is_a_handle_leaves_nothing,
        k3s::it_starts_without_async_and_ends_when_it_is_dropped,
    );
    trials!(
        keycloak.as_deref(),
        Ok::<(), String>(()),
        keycloak::it_gives_tokens_over_tls_on_loopback_alone,
        keycloak::it_gives_tokens_without_async_and_ends_when_it_is_dropped,
        keycloak::a_realm_that_is_not_imported_is_told_with_the_last_lines,
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
