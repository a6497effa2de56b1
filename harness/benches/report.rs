//! The time to draw a page, and its size, for runs of several sizes: `cargo bench --bench report`.
//!
//! Times say more about the machine than about authlab; beside each is its ratio to writing the same record as JSON.
#![expect(clippy::print_stdout, reason = "this program is its output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::time::{Duration, Instant};

use authlab::report::html;

#[path = "../tests/browser/story.rs"]
#[expect(dead_code, reason = "the browser's tests tell more")]
mod story;

/// The number of measurements; the median counts.
const ROUNDS: usize = 5;

fn main() {
    println!("scenarios   run.json   index.html   drawn in   drawing / writing JSON; median of {ROUNDS} rounds");
    for count in [250, 1_000, 4_000] {
        let record = story::large(count);
        let json = record.to_json().unwrap();
        let page = html::draw(std::slice::from_ref(&record));
        let drawing = median(|| drop(html::draw(std::slice::from_ref(&record))));
        let writing = median(|| drop(record.to_json().unwrap()));
        println!(
            "{count:>9} {:>7.2} MB {:>9.2} MB {:>7} ms {:>7.2}",
            megabytes(json.len()),
            megabytes(page.len()),
            drawing.as_millis(),
            drawing.as_secs_f64() / writing.as_secs_f64()
        );
    }
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a size for a person")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
