//! A WebSocket client, for the command line and for tests of plugins.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as TungsteniteCloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error as TungsteniteError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::frame::Frame;

/// A client connection. Dropping it closes the stream without a Close frame.
pub struct Client<S = TcpStream>(WebSocketStream<S>);

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
    #[error(
        "the server responded with {}: {}", .0.status(), String::from_utf8_lossy(.0.body()).trim_end()
    )]
    Rejected(Box<Response<Vec<u8>>>),
    /// The connection failed.
    #[error("connection failed: {0}")]
    Connection(Box<TungsteniteError>),
    /// The exchange of the handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] hyper::Error),
    /// The request is not valid HTTP.
    #[error("the request is not valid: {0}")]
    Request(#[from] hyper::http::Error),
}

impl From<TungsteniteError> for ClientError {
    fn from(error: TungsteniteError) -> Self {
        match error {
            TungsteniteError::Http(response) => {
                Self::Rejected(Box::new(response.map(Option::unwrap_or_default)))
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
}

/// The stream of a client that [`Client::open`] has opened.
pub type UpgradedStream = TokioIo<Upgraded>;

impl Client<UpgradedStream> {
    /// Opens a connection over a stream, and returns it with the 101 of the server. The request has the headers of a
    /// handshake beside those of `request`, of which each must have a header `Host`.
    ///
    /// # Errors
    /// The server rejects the handshake, or the stream fails.
    pub async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        mut request: Request<Empty<Bytes>>,
    ) -> Result<(Self, Response<()>), ClientError> {
        let key = HeaderValue::try_from(generate_key()).map_err(hyper::http::Error::from)?;
        let handshake_fields = [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, key),
        ];
        request.headers_mut().extend(handshake_fields);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let mut response = sender.send_request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            return Err(ClientError::Rejected(Box::new(Response::from_parts(parts, body))));
        }
        let upgraded = hyper::upgrade::on(&mut response).await?;
        let stream = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok((Self(socket), response.map(|_| ())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Sends a message.
    ///
    /// # Errors
    /// The connection has failed.
    pub async fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        let message = match frame {
            Frame::Text(text) => Message::text(text.to_string()),
            Frame::Binary(bytes) => Message::binary(bytes),
        };
        Ok(self.0.send(message).await?)
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

    /// Sends a Close frame with a code and a reason, as [`close`](Self::close) does.
    ///
    /// # Errors
    /// The connection has failed.
    pub async fn close_with(&mut self, close: CloseFrame) -> Result<(), ClientError> {
        let CloseFrame { code, reason } = close;
        let frame = TungsteniteCloseFrame { code: code.into(), reason: reason.as_str().into() };
        Ok(self.0.close(Some(frame)).await?)
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
