//! A person's wish to stop, passed down to all that wait.
//!
//! The owner of the signals keeps the [`Interrupter`]; everybody else holds an
//! [`Interrupt`], which is cheap to clone.

use tokio::sync::watch;

/// The end that asks for the stop.
#[derive(Debug)]
pub struct Interrupter(watch::Sender<bool>);

/// The end that is asked.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// A connected pair.
#[must_use]
pub fn interrupt() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(false);
    (Interrupter(sender), Interrupt(receiver))
}

impl Interrupter {
    /// Asks everybody to stop.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// One that never comes.
    #[must_use]
    pub fn never() -> Self {
        interrupt().1
    }

    /// Whether the stop was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the stop is asked for: for ever, when nobody can ask any more.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
