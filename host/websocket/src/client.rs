//! A WebSocket client for the command line.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::header::{HeaderValue, ORIGIN};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as TungsteniteError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A client connection. Dropping it closes the socket without a Close frame.
pub struct Client(WebSocketStream<TcpStream>);

/// A message or a Close frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A Close frame: its code and its reason. The code is 1005 if the frame has none.
    Close(u16, String),
}

/// An error of a client connection.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL is not a `ws://` URL.
    #[error("{0:?} is not a URL of the form ws://HOST:PORT/PATH; wss:// is not supported")]
    Url(String),
    /// The origin is not a valid header value.
    #[error("{0:?} is not an origin: use https://HOST")]
    Origin(String),
    /// The TCP connection failed.
    #[error("cannot connect to {authority}: {error}")]
    Connect {
        /// The host and port of the URL.
        authority: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The server responded with a status other than 101.
    #[error("the server responded with {status}: {body}")]
    Rejected {
        /// The status code and the reason phrase.
        status: String,
        /// The body of the response.
        body: String,
    },
    /// The connection failed.
    #[error("connection failed: {0}")]
    Connection(Box<TungsteniteError>),
}

impl From<TungsteniteError> for ClientError {
    fn from(error: TungsteniteError) -> Self {
        match error {
            TungsteniteError::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                Self::Rejected {
                    status: response.status().to_string(),
                    body: String::from_utf8_lossy(body).trim_end().to_owned(),
                }
            }
            error => Self::Connection(Box::new(error)),
        }
    }
}

impl Client {
    /// Opens a connection to a `ws://` URL. The default port is 80. The handshake has the header `Origin` if `origin` is
    /// given.
    ///
    /// # Errors
    /// The URL or the origin is invalid, the server cannot be reached, or it rejects the handshake.
    pub async fn connect(url: &str, origin: Option<&str>) -> Result<Self, ClientError> {
        let invalid_url = || ClientError::Url(url.to_owned());
        let mut request = url.into_client_request().map_err(|_| invalid_url())?;
        if let Some(origin) = origin {
            let value = HeaderValue::from_str(origin);
            let value = value.map_err(|_| ClientError::Origin(origin.to_owned()))?;
            request.headers_mut().insert(ORIGIN, value);
        }
        let uri = request.uri();
        let host = uri.host().filter(|_| uri.scheme_str() == Some("ws")).ok_or_else(invalid_url)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(&authority)
            .await
            .map_err(|error| ClientError::Connect { authority, error })?;
        let (socket, _response) = client_async(request, stream).await?;
        Ok(Self(socket))
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The connection has failed.
    pub async fn send_text(&mut self, text: String) -> Result<(), ClientError> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Sends a Close frame. [`receive`](Self::receive) still returns the messages before the Close of the server.
    ///
    /// # Errors
    /// The connection has failed.
    pub async fn close(&mut self) -> Result<(), ClientError> {
        Ok(self.0.close(None).await?)
    }

    /// Returns the next message of the server, or `None` once the connection has ended. Pings are answered.
    /// Cancel-safe: a dropped call does not lose a message.
    ///
    /// # Errors
    /// The connection has failed.
    pub async fn receive(&mut self) -> Result<Option<ServerMessage>, ClientError> {
        while let Some(message) = self.0.next().await.transpose()? {
            return Ok(Some(match message {
                Message::Text(text) => ServerMessage::Text(text.to_string()),
                Message::Binary(bytes) => ServerMessage::Binary(bytes),
                Message::Close(Some(close)) => {
                    ServerMessage::Close(close.code.into(), close.reason.to_string())
                }
                Message::Close(None) => ServerMessage::Close(1005, String::new()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            }));
        }
        Ok(None)
    }
}
