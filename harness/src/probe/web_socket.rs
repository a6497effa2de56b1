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

/// The reason for a missing next message.
pub(super) type WebSocketError = tungstenite::Error;

/// The client's end of a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket(WebSocketStream<TokioIo<Upgraded>>);

impl WebSocket {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        Self(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }

    /// Returns the next message as soon as it arrives; `None` once the server has closed. Cancel-safe: no message is lost
    /// if the future is dropped.
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
