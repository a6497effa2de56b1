//! Detects that the reader of standard output is gone. The main function is [`is_gone`].

use std::io;
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits until nothing can read standard output any more: for ever if it is a file, or if the system does not report it.
pub(super) async fn is_gone() {
    let wanted = Interest::WRITABLE | Interest::ERROR;
    if let Ok(output) = io::stdout().as_fd().try_clone_to_owned() {
        // SAFETY: a descriptor that this function owns, open for as long as it is registered and always the same.
        let registered = unsafe { AsyncFd::register_with_interest(output, wanted) };
        if let Ok(output) = registered {
            while let Ok(mut seen) = output.ready(wanted).await {
                if seen.ready().is_write_closed() || seen.ready().is_error() {
                    return;
                }
                // Standard output is writable, which is no news: wait for the next change.
                seen.clear_ready();
            }
        }
    }
    std::future::pending().await
}
