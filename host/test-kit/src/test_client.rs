//! The client of one connection of a test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::{Request, Response};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::reply::ReplyData;
use crate::request::ConnectRequest;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::frame::Frame;
use narrowboat_websocket::client::{Client, ClientError, ServerMessage, UpgradedStream};

/// The host that clients name, unless the test sets the header.
const DEFAULT_HOST: &str = "localhost";

/// The client of one connection. Dropping it ends the connection without a Close frame.
pub(crate) struct TestClient {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<ClientState>>,
    commands: mpsc::UnboundedSender<ClientCommand>,
    task: AbortHandle,
}

/// The state of a connection as its client knows it.
#[derive(Default)]
struct ClientState {
    handshake: Option<HandshakeResult>,
    received: VecDeque<Frame>,
    closed: Option<CloseFrame>,
    /// Why the connection failed, if the host broke the protocol.
    error: Option<String>,
}

/// The response to the handshake.
#[derive(Clone)]
pub(crate) enum HandshakeResult {
    /// The 101, with the headers that the consumer may have set.
    Accepted { subprotocol: Option<String>, headers: Vec<(String, ReplyData)> },
    /// Another response.
    Rejected { status: u16, headers: Vec<(String, ReplyData)>, body: ReplyData },
}

/// An event that the client has received.
pub(crate) enum ClientEvent {
    Message(Frame),
    Closed(CloseFrame),
}

enum ClientCommand {
    Send(Frame),
    Close(CloseFrame),
}

impl TestClient {
    /// Opens a connection over a stream.
    ///
    /// # Errors
    /// If the path or a header is not valid.
    pub(crate) fn open(
        address: SocketAddr,
        stream: DuplexStream,
        connect: ConnectRequest,
    ) -> Result<Self, String> {
        let request = build_request(connect)?;
        let state = Arc::<Mutex<ClientState>>::default();
        let (commands, received) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(stream, request, Arc::clone(&state), received)).abort_handle();
        Ok(Self { address, state, commands, task })
    }

    /// The response to the handshake, if it has come.
    ///
    /// # Errors
    /// Why the connection failed.
    pub(crate) fn handshake(&self) -> Result<Option<HandshakeResult>, String> {
        let state = lock(&self.state);
        state.error.clone().map_or_else(|| Ok(state.handshake.clone()), Err)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If the connection is not open.
    pub(crate) fn send(&self, frame: Frame) -> Result<(), String> {
        self.check_open()?;
        self.command(ClientCommand::Send(frame))
    }

    /// Starts the closing handshake.
    ///
    /// # Errors
    /// If the connection has not been accepted.
    pub(crate) fn close(&self, close: CloseFrame) -> Result<(), String> {
        if lock(&self.state).closed.is_some() {
            return Ok(());
        }
        self.check_open()?;
        self.command(ClientCommand::Close(close))
    }

    /// Takes the next event. The Close frame of the host comes last, also as the answer to that of the client.
    ///
    /// # Errors
    /// If the connection was not accepted, or failed.
    pub(crate) fn receive(&self) -> Result<Option<ClientEvent>, String> {
        let mut state = lock(&self.state);
        if let Some(frame) = state.received.pop_front() {
            return Ok(Some(ClientEvent::Message(frame)));
        }
        match (&state.error, &state.handshake, &state.closed) {
            (Some(error), ..) => Err(error.clone()),
            (None, None, _) => Err("the consumer has not decided about the connection".to_owned()),
            (None, Some(HandshakeResult::Rejected { status, .. }), _) => {
                Err(format!("the connection was rejected with status {status}"))
            }
            (None, Some(HandshakeResult::Accepted { .. }), closed) => {
                Ok(closed.clone().map(ClientEvent::Closed))
            }
        }
    }

    fn check_open(&self) -> Result<(), String> {
        let state = lock(&self.state);
        match (&state.closed, &state.handshake) {
            (Some(close), _) => Err(format!("the connection is closed: {close}")),
            (None, Some(HandshakeResult::Accepted { .. })) => Ok(()),
            (None, Some(HandshakeResult::Rejected { status, .. })) => {
                Err(format!("the connection was rejected with status {status}"))
            }
            (None, None) => Err("the consumer has not decided about the connection".to_owned()),
        }
    }

    fn command(&self, command: ClientCommand) -> Result<(), String> {
        self.commands.send(command).map_err(|_| "the connection has ended".to_owned())
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<ClientState>) -> MutexGuard<'_, ClientState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the request of the handshake, without the headers of the WebSocket protocol.
fn build_request(connect: ConnectRequest) -> Result<Request<Empty<Bytes>>, String> {
    let ConnectRequest { path, headers, subprotocols, .. } = connect;
    let mut request = Request::get(&path)
        .body(Empty::new())
        .map_err(|error| format!("{path:?} is not a path of a URL: {error}"))?;
    let fields = request.headers_mut();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(&value.into_bytes());
        let value = value.map_err(|_| format!("the value of the header {name:?} is not valid"))?;
        let name = HeaderName::try_from(&name);
        fields.append(name.map_err(|error| format!("a header has no valid name: {error}"))?, value);
    }
    if !fields.contains_key(HOST) {
        fields.insert(HOST, HeaderValue::from_static(DEFAULT_HOST));
    }
    if !subprotocols.is_empty() {
        let offers = HeaderValue::try_from(subprotocols.join(", "));
        let offers = offers.map_err(|_| "a subprotocol is not valid".to_owned())?;
        fields.append(SEC_WEBSOCKET_PROTOCOL, offers);
    }
    Ok(request)
}

/// Runs the connection until it ends.
async fn run(
    stream: DuplexStream,
    request: Request<Empty<Bytes>>,
    state: Arc<Mutex<ClientState>>,
    mut commands: mpsc::UnboundedReceiver<ClientCommand>,
) {
    let mut client = match Client::open(stream, request).await {
        Ok((client, response)) => {
            lock(&state).handshake = Some(accepted(&response));
            client
        }
        Err(ClientError::Rejected(response)) => {
            lock(&state).handshake = Some(rejected(*response));
            return;
        }
        Err(error) => {
            lock(&state).error = Some(error.to_string());
            return;
        }
    };
    loop {
        let keep_running = tokio::select! {
            biased;
            message = client.receive() => store_message(&state, message),
            Some(command) = commands.recv() => run_command(&mut client, command).await,
        };
        if !keep_running {
            return;
        }
    }
}

/// Stores a message of the host. Returns whether the connection goes on.
fn store_message(
    state: &Mutex<ClientState>,
    message: Result<Option<ServerMessage>, ClientError>,
) -> bool {
    let mut state = lock(state);
    match message {
        Ok(Some(ServerMessage::Text(text))) => state.received.push_back(Frame::Text(text.into())),
        Ok(Some(ServerMessage::Binary(bytes))) => state.received.push_back(Frame::Binary(bytes)),
        Ok(Some(ServerMessage::Close(code, reason))) => {
            state.closed = Some(CloseFrame::new(code, reason));
        }
        // The stream has ended. Without a Close frame before, that is an abnormal closure.
        Ok(None) | Err(_) => {
            state.closed.get_or_insert_with(CloseFrame::abnormal);
            return false;
        }
    }
    true
}

/// Carries out a command. Returns whether the connection goes on: a failed one still has messages to read.
async fn run_command(client: &mut Client<UpgradedStream>, command: ClientCommand) -> bool {
    let _ = match command {
        ClientCommand::Send(frame) => client.send(frame).await,
        ClientCommand::Close(close) => client.close_with(close).await,
    };
    true
}

fn accepted(response: &Response<()>) -> HandshakeResult {
    let subprotocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let subprotocol =
        subprotocol.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    HandshakeResult::Accepted { subprotocol, headers: header_list(response) }
}

fn rejected(response: Response<Vec<u8>>) -> HandshakeResult {
    HandshakeResult::Rejected {
        status: response.status().as_u16(),
        headers: header_list(&response),
        body: ReplyData::Binary(response.into_body()),
    }
}

fn header_list<T>(response: &Response<T>) -> Vec<(String, ReplyData)> {
    let headers = response.headers().iter();
    headers
        .map(|(name, value)| {
            (name.as_str().to_owned(), ReplyData::from_bytes(value.as_bytes().to_vec()))
        })
        .collect()
}
