//! Whether anybody reads what this command prints. The main function is [`is_gone`].

use std::io;
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits until nobody can read standard output any more: for ever where that is a file, or the system does not tell.
pub(super) async fn is_gone() {
    let wanted = Interest::WRITABLE | Interest::ERROR;
    if let Ok(output) = io::stdout().as_fd().try_clone_to_owned() {
        // SAFETY: a descriptor of our own, open for as long as it is registered and always the same.
        let registered = unsafe { AsyncFd::register_with_interest(output, wanted) };
        if let Ok(output) = registered {
            while let Ok(mut seen) = output.ready(wanted).await {
                if seen.ready().is_write_closed() || seen.ready().is_error() {
                    return;
                }
                // It can be written, which is nothing new: the next change is waited for.
                seen.clear_ready();
            }
        }
    }
    std::future::pending().await
}
