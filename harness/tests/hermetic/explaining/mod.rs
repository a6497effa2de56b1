//! `authlab explain` as its user reads it, on cases from public reports, each at a stand-in of an API server that has the case's certificate
//! and answers. The same cases at real servers are in `tests/cli`.
//!
//! A case shows one mistake and its neighbours, in one file of `snapshots/`.

mod api_server;
mod certificates;
mod kubeconfigs;
mod requests;
mod signatures;
mod tokens;
mod workplace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use workplace::Workplace;

/// A case, by the name of its file.
type Case = (&'static str, fn(&mut Workplace));

#[test]
fn every_case_is_explained_as_before() {
    let cases = [certificates::CASES, kubeconfigs::CASES, requests::CASES, tokens::CASES].concat();
    let (next, failed) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((name, case)) = next.lock().unwrap().next() else { break };
                    let shown = catch_unwind(AssertUnwindSafe(|| {
                        let mut workplace = Workplace::new();
                        case(&mut workplace);
                        workplace.assert_shown(name);
                    }));
                    if shown.is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} cases differ: {failed:?}", failed.len(), cases.len());
}
