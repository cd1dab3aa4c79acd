//! A WebSocket client for a terminal: each line typed goes out, each message heard is printed.
//!
//! `talk ws://127.0.0.1:8000/echo/`

#![expect(clippy::print_stdout, reason = "what is heard goes to the terminal")]

use std::io::BufRead;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Some(url) = std::env::args().nth(1) else {
        anyhow::bail!("usage: talk ws://HOST:PORT/PATH");
    };
    let request = url.into_client_request()?;
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let stream = TcpStream::connect(&authority).await?;
    let (mut socket, _) = client_async(request, stream).await?;
    println!("connected; type lines, end with ctrl-d");
    let mut lines = typed();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => socket.send(Message::text(line)).await?,
                None => socket.close(None).await?,
            },
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => println!("< {text}"),
                Some(Ok(Message::Binary(bytes))) => println!("< {} bytes", bytes.len()),
                Some(Ok(Message::Close(close))) => {
                    println!("closed: {}", close.map(|c| c.to_string()).unwrap_or_default());
                    return Ok(());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}

/// The lines of standard input, read on a thread of their own since reading them blocks.
fn typed() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
