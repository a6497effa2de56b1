//! A user's request to stop, passed down to all waiting code.
//!
//! The owner of the signals keeps the [`Interrupter`]; all other code holds an
//! [`Interrupt`], which is cheap to clone.

use tokio::sync::watch;

/// The sending end of an interrupt.
#[derive(Debug)]
pub struct Interrupter(watch::Sender<bool>);

/// The receiving end of an interrupt.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// Returns a connected pair.
#[must_use]
pub fn interrupt() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(false);
    (Interrupter(sender), Interrupt(receiver))
}

impl Interrupter {
    /// Requests the stop.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// Returns an interrupt that is never requested.
    #[must_use]
    pub fn never() -> Self {
        interrupt().1
    }

    /// Returns whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the stop is requested: for ever, if the [`Interrupter`] was dropped without a request.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
