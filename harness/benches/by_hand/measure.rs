//! The comparison of two durations, and the wait until a server answers.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "a benchmark is its output")]

use std::time::Duration;

use authlab::process::Child;
use authlab::process::wait::{Condition, until};

/// Prints both medians and their ratio.
pub fn ratio(what: &str, ours: &mut [Duration], theirs: &mut [Duration]) {
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{what}: {:.2} s / {:.2} s = {:.2}",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

/// Returns the median.
pub fn median<T: Copy + Ord>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Waits until `url` answers with success, while `child` runs.
pub async fn answers(child: &mut Child, url: &str) {
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap();
    let child = tokio::sync::Mutex::new(child);
    until(url, Duration::from_secs(180), || async {
        child.lock().await.expect_running()?;
        Ok::<_, authlab::process::ProcessError>(match client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => Condition::Met(()),
            Ok(answer) => Condition::NotYet(answer.status().to_string()),
            Err(error) => Condition::NotYet(error.to_string()),
        })
    })
    .await
    .unwrap();
}
