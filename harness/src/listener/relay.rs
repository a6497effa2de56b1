//! A relay of bytes between two connections.
//!
//! The main function is [`relay`].

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use super::Activity;

/// Relays bytes both ways, until both sides have ended, one breaks, or no bytes have moved for `silence`.
///
/// # Errors
/// One side broke.
pub async fn relay<A, B>(caller: A, server: B, activity: &Activity, silence: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let ((from_caller, to_caller), (from_server, to_server)) = (tokio::io::split(caller), tokio::io::split(server));
    let mut caller = tokio::io::join(Watched(from_caller, activity), to_caller);
    let mut server = tokio::io::join(Watched(from_server, activity), to_server);
    let mut passing = pin!(copy_bidirectional(&mut caller, &mut server));
    activity.moved();
    loop {
        let left = silence.saturating_sub(activity.silence());
        match tokio::time::timeout(left, passing.as_mut()).await {
            Ok(passed) => return passed.map(drop),
            Err(_) if activity.silence() >= silence => return Ok(()),
            Err(_) => {}
        }
    }
}

/// A side that reports reads from it.
struct Watched<'a, R>(R, &'a Activity);

impl<R: AsyncRead + Unpin> AsyncRead for Watched<'_, R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        if read.is_ready() {
            self.1.moved();
        }
        read
    }
}
