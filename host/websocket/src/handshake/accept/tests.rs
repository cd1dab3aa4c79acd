use std::sync::Arc;

use narrowboat_core::handshake_response::{Acceptance, HostRejection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const LIMITS: HandshakeLimits =
    HandshakeLimits { timeout: Duration::from_millis(200), max_frame: 1 << 16 };

async fn socket_pair() -> (TcpStream, ClientStream, PeerInfo) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server_addr = listener.local_addr().unwrap();
    let client = TcpStream::connect(server_addr).await.unwrap();
    let (stream, client_addr) = listener.accept().await.unwrap();
    let peer = PeerInfo { client_addr, server_addr, is_secure: false };
    (client, ClientStream::Left(stream.into()), peer)
}

fn acceptance<T>(handler: T) -> Decision<T> {
    let acceptance = Acceptance::default();
    Decision::Accept { acceptance, max_message: 1 << 16, deflate: None, handler }
}

async fn read_response(client: &mut TcpStream) -> String {
    let mut response = vec![0; 4096];
    let count = client.read(&mut response).await.unwrap();
    String::from_utf8(response[..count].to_vec()).unwrap()
}

#[tokio::test]
async fn an_accepted_handshake_returns_the_socket_and_the_value() {
    let (mut client, stream, peer) = socket_pair().await;
    // A masked close frame right after the request.
    client.write_all(&[REQUEST, &[0x88, 0x80, 0, 0, 0, 0]].concat()).await.unwrap();
    let outcome = accept(stream, peer, LIMITS, async |_| acceptance(7)).await.unwrap();
    let HandshakeOutcome::Open(mut socket, 7) = outcome else { panic!("not open") };
    let response = read_response(&mut client).await;
    assert!(response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{response}");
    assert!(response.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{response}");
    let event = std::future::poll_fn(|cx| socket.poll_event(cx)).await.unwrap();
    assert!(matches!(event, crate::codec::IncomingEvent::Close(_)), "{event:?}");
}

#[tokio::test]
async fn a_rejected_handshake_responds_and_closes() {
    let (mut client, stream, peer) = socket_pair().await;
    client.write_all(REQUEST).await.unwrap();
    let decide = async |_| Decision::<()>::Reject(HostRejection::OriginNotAllowed.into());
    let outcome = accept(stream, peer, LIMITS, decide).await.unwrap();
    assert!(matches!(outcome, HandshakeOutcome::Responded(403)));
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{response}");
    assert!(
        response.contains("connection: close\r\n")
            && response.ends_with("\r\n\r\norigin not allowed\n")
    );
}

#[tokio::test]
async fn an_invalid_target_is_rejected_without_a_decision() {
    let (mut client, stream, peer) = socket_pair().await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let decide = async |_| -> Decision<()> { panic!("the decision was asked for") };
    let outcome = accept(stream, peer, LIMITS, decide).await.unwrap();
    assert!(matches!(outcome, HandshakeOutcome::Responded(400)));
    assert!(read_response(&mut client).await.contains("missing Host header"));
}

#[tokio::test]
async fn a_disconnect_drops_the_pending_decision() {
    let (mut client, stream, peer) = socket_pair().await;
    client.write_all(REQUEST).await.unwrap();
    let (started, value) = (Notify::new(), Arc::new(()));
    let decide = async |_| {
        let _held = Arc::clone(&value);
        started.notify_one();
        std::future::pending::<Decision<()>>().await
    };
    let limits = HandshakeLimits { timeout: Duration::from_secs(60), ..LIMITS };
    let disconnect = async {
        started.notified().await;
        drop(client);
    };
    let (outcome, ()) = tokio::join!(accept(stream, peer, limits, decide), disconnect);
    assert!(matches!(outcome, Err(HandshakeError::Http(_))));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[tokio::test]
async fn a_slow_decision_and_a_slow_request_time_out() {
    let (mut client, stream, peer) = socket_pair().await;
    client.write_all(REQUEST).await.unwrap();
    let decide = async |_| std::future::pending::<Decision<()>>().await;
    let outcome = accept(stream, peer, LIMITS, decide).await;
    assert!(matches!(outcome, Err(HandshakeError::TimedOut(_))));
    assert!(read_response(&mut client).await.starts_with("HTTP/1.1 503 "));

    let (mut client, stream, peer) = socket_pair().await;
    client.write_all(&REQUEST[..20]).await.unwrap();
    match accept(stream, peer, LIMITS, async |_| acceptance(())).await {
        Err(HandshakeError::TimedOut(_)) => {}
        Err(HandshakeError::Http(error)) if error.is_timeout() => {}
        _ => panic!("no time-out"),
    }
}

#[tokio::test]
async fn a_client_may_close_without_a_request() {
    let (client, stream, peer) = socket_pair().await;
    drop(client);
    let outcome = accept(stream, peer, LIMITS, async |_| acceptance(())).await.unwrap();
    assert!(matches!(outcome, HandshakeOutcome::Responded(0)));
}
