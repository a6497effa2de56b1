//! The messages of a WebSocket (RFC 6455), once a server has agreed to change the protocol.
//!
//! The main type is [`WebSocket`].

use futures::StreamExt;
use hyper::body::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

/// Why there is no next message.
pub(super) type WebSocketError = tungstenite::Error;

/// The client's end of a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket(WebSocketStream<TokioIo<Upgraded>>);

impl WebSocket {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        Self(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }

    /// The next message, as soon as it is there; `None` once the server has closed. Nothing is lost if this is given up
    /// and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WebSocketError> {
        while let Some(message) = self.0.next().await {
            match message? {
                Message::Text(text) => return Ok(Some(text.into())),
                Message::Binary(bytes) => return Ok(Some(bytes)),
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(None)
    }
}
