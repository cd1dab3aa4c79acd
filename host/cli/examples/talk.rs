//! A WebSocket client for a terminal: each line typed goes out, each message heard is printed.
//!
//! `talk ws://127.0.0.1:8000/echo/`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a terminal")]

use std::io::BufRead;
use std::process::ExitCode;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).filter(|url| url.starts_with("ws://"));
    let Some(url) = url else {
        eprintln!("usage: talk ws://HOST:PORT/PATH");
        return ExitCode::from(2);
    };
    match talk(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("talk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn talk(url: &str) -> anyhow::Result<()> {
    let request = url.into_client_request()?;
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let stream = TcpStream::connect(&authority).await.with_context(|| authority)?;
    let (mut socket, _) = client_async(request, stream).await.map_err(refused)?;
    println!("connected; type lines, end with ctrl-d");
    let mut lines = typed();
    let mut typing = true;
    loop {
        tokio::select! {
            line = lines.recv(), if typing => match line {
                Some(line) => socket.send(Message::text(line)).await?,
                None => {
                    typing = false;
                    socket.close(None).await?;
                }
            },
            heard = socket.next() => match heard.transpose()? {
                Some(Message::Text(text)) => println!("< {text}"),
                Some(Message::Binary(bytes)) => println!("< {} bytes", bytes.len()),
                Some(Message::Close(Some(close))) => println!("closed: {close}"),
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

/// Why the host turned the handshake away, in its own words.
fn refused(error: Error) -> anyhow::Error {
    match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            anyhow::anyhow!("{}: {}", answer.status(), String::from_utf8_lossy(body).trim_end())
        }
        error => error.into(),
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
