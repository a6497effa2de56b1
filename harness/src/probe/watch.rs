//! A response that is a stream: events, one after the other, as they arrive.
//!
//! The main type is [`Watch`]. It has a connection of its own, which ends with it.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::web_socket::WebSocket;

/// The task that drives a connection; it ends when its owner is dropped.
#[derive(Debug)]
pub(super) struct Connection(pub(super) JoinHandle<hyper::Result<()>>);

impl Connection {
    /// Waits until the connection ends; returns the error, if it ended with one. May be called only once.
    pub(super) async fn failure(&mut self) -> Option<hyper::Error> {
        (&mut self.0).await.ok()?.err()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A server's stream of events. Dropping it cancels the request.
#[derive(Debug)]
pub struct Watch {
    events: Stream,
    unread: Vec<u8>,
    _connection: Connection,
}

/// The transport of the events.
#[derive(Debug)]
enum Stream {
    /// The body of a response.
    Body(Incoming),
    /// A WebSocket with one event per message.
    WebSocket(Box<WebSocket>),
}

/// The reason for a missing next event.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The connection broke.
    #[error("the watch broke off")]
    Broken(#[source] hyper::Error),
    /// The WebSocket broke.
    #[error("the watch over a WebSocket broke off")]
    WebSocket(#[source] Box<super::web_socket::WebSocketError>),
    /// A line is not an event.
    #[error("the watch returned a line that is not JSON")]
    NoEvent(#[source] serde_json::Error),
}

impl Watch {
    pub(super) fn new(body: Incoming, connection: Connection) -> Self {
        Self {
            events: Stream::Body(body),
            unread: Vec::new(),
            _connection: connection,
        }
    }

    /// Returns the watch over a connection whose protocol was changed.
    pub(super) async fn over_web_socket(upgraded: Upgraded, connection: Connection) -> Self {
        Self {
            events: Stream::WebSocket(Box::new(WebSocket::new(upgraded).await)),
            unread: Vec::new(),
            _connection: connection,
        }
    }

    /// Returns the next event (apimachinery `WatchEvent`, one line of JSON each) as soon as it arrives; `None` once the
    /// server has ended the watch. Cancel-safe: no event is lost if the future is dropped.
    ///
    /// # Errors
    /// The connection broke, or a line is not an event.
    pub async fn next(&mut self) -> Result<Option<Value>, WatchError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(WatchError::NoEvent);
            }
            match &mut self.events {
                Stream::Body(body) => match body.frame().await {
                    None => return Ok(None),
                    Some(frame) => self
                        .unread
                        .extend(frame.map_err(WatchError::Broken)?.into_data().unwrap_or_default()),
                },
                Stream::WebSocket(socket) => {
                    let message = socket.next().await.map_err(|error| WatchError::WebSocket(Box::new(error)))?;
                    return message
                        .map(|message| serde_json::from_slice(&message).map_err(WatchError::NoEvent))
                        .transpose();
                }
            }
        }
    }
}
