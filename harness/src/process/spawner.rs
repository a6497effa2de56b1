//! The thread that starts all programs.
//!
//! The kernel's "kill me when my parent dies" (`PR_SET_PDEATHSIG`, prctl(2)) fires
//! when the *thread* that started a program ends. So one thread that lives
//! as long as the process starts them all.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

type Job = Box<dyn FnOnce() + Send>;

/// Runs `work` on the spawner thread, inside the current runtime.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::Builder::new()
            .name("authlab-spawner".to_owned())
            .spawn(move || jobs.into_iter().for_each(|job| job()))
            .expect("a process can have one more thread");
        sender
    });
    let runtime = tokio::runtime::Handle::current();
    let (answer, answered) = tokio::sync::oneshot::channel();
    jobs.send(Box::new(move || {
        let _inside = runtime.enter();
        // The caller may have been dropped in the meantime; then the started program is dropped, too.
        drop(answer.send(work()));
    }))
    .expect("the spawner thread never ends");
    answered.await.expect("the spawner thread answers every job")
}
