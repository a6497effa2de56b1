//! The page of a report in a real headless browser: it opens from a file, needs nothing else, can be read and used with and without
//! scripts, by keyboard, in both themes, on narrow and wide screens, and shows server output only as text. Also logins at Keycloak, and the
//! playground.
//!
//! Without Chromium and its driver, each test is listed as ignored, with the reason before its name
//! (Debian's packages: `chromium`, `chromium-driver`). Screenshots are written to the target directory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod driver;
mod logging_in;
mod looking;
mod picturing;
mod playing;
mod presenting;
mod story;
mod using;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use authlab::report::html;
use authlab::report::record::RunRecord;
use driver::{Browser, Tools};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    // One browser at a time: each uses half a gigabyte of memory.
    arguments.test_threads = Some(1);
    let tools = Tools::found().map(Arc::new);
    let mut trials = Vec::new();
    macro_rules! in_a_browser {
        ($($module:ident::$name:ident),* $(,)?) => {
            $(trials.push({
                let there = tools.clone();
                let trial = Trial::test(stringify!($name), move || {
                    let tools = there?;
                    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                    runtime.block_on(async {
                        let mut browser = Browser::start(&tools).await;
                        $module::$name(&mut browser).await;
                        browser.end().await;
                    });
                    Ok(())
                });
                match &tools {
                    Ok(_) if OF_TWO_VERSIONS.contains(&stringify!($name)) => {
                        trial.with_ignored_flag(true).with_kind("needs the servers of the oldest version")
                    }
                    Ok(_) => trial,
                    Err(why) => trial.with_ignored_flag(true).with_kind(why.as_str()),
                }
            });)*
        };
    }
    in_a_browser!(
        using::it_opens_from_a_file_without_an_error_and_fetches_nothing,
        using::what_a_page_must_not_do_is_blocked_and_seen,
        using::it_searches_and_filters,
        using::a_search_can_be_passed_on_as_an_address,
        using::it_is_used_by_keyboard_alone,
        using::it_is_whole_without_scripts,
        using::hostile_text_stays_text,
        using::several_runs_are_compared_first,
        using::a_thousand_scenarios_are_one_small_page,
        looking::every_text_can_be_read_in_both_themes,
        looking::no_screen_is_too_narrow,
        looking::it_is_said_to_who_does_not_see,
        picturing::the_pictures_of_a_report_are_of_a_real_run,
        picturing::the_pictures_of_the_playground_are_of_real_servers,
        picturing::the_pictures_of_lessons_are_of_a_class,
        logging_in::somebody_logs_in_at_keycloaks_own_page,
        playing::it_says_who_people_are_and_marks_the_line_of_a_mistake,
        playing::it_is_played_by_keyboard_alone,
        presenting::people_with_certificates_and_service_accounts_are_tried_and_saved,
        presenting::each_learner_has_a_playground_of_their_own,
        presenting::hostile_names_and_claims_stay_text_on_the_playground,
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests that need the servers of the oldest version, too, which an ordinary run would have to build.
const OF_TWO_VERSIONS: [&str; 1] = ["the_pictures_of_the_playground_are_of_real_servers"];

/// The directory for pages and screenshots.
fn place() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// Writes the page for `records` to a file called `name`, and returns its path and its text.
fn page(name: &str, records: &[RunRecord]) -> (PathBuf, String) {
    let path = place().join(name);
    let text = html::draw(records);
    std::fs::write(&path, &text).unwrap();
    (path, text)
}
