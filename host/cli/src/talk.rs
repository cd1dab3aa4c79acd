//! `narrowboat talk`: a WebSocket client. Each typed line is a message; each received message is printed.

use std::io::BufRead;

use narrowboat_websocket::client::{Client, ClientError, ServerMessage};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::arguments::TalkArgs;
use super::cli_error::CliError;
use super::output;

/// The most typed lines that wait to be sent.
const TYPED_LINES: usize = 16;

/// Talks until the server closes the connection, or standard input has ended and the server has answered the close.
pub(super) fn run(arguments: &TalkArgs) -> Result<(), CliError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CliError::runtime)?;
    runtime.block_on(talk(arguments))
}

async fn talk(TalkArgs { url, origin }: &TalkArgs) -> Result<(), CliError> {
    let mut client = Client::connect(url, origin.as_deref()).await.map_err(failure)?;
    output::print_line("connected; type lines, end with ctrl-d")?;
    let mut lines = read_standard_input();
    let mut is_typing = true;
    loop {
        tokio::select! {
            line = lines.recv(), if is_typing => match line {
                Some(line) => client.send_text(line).await.map_err(failure)?,
                None => {
                    is_typing = false;
                    client.close().await.map_err(failure)?;
                }
            },
            received = client.receive() => match received.map_err(failure)? {
                Some(message) => output::print_line(describe(&message))?,
                None => return Ok(()),
            },
        }
    }
}

fn failure(error: ClientError) -> CliError {
    match error {
        ClientError::Url(_) | ClientError::Origin(_) => CliError::usage(error),
        _ => CliError::runtime(error),
    }
}

fn describe(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Text(text) => format!("< {text}"),
        ServerMessage::Binary(bytes) => format!("< {} bytes", bytes.len()),
        ServerMessage::Close(code, reason) if reason.is_empty() => format!("closed: {code}"),
        ServerMessage::Close(code, reason) => format!("closed: {code} {reason}"),
    }
}

/// The lines of standard input. A thread reads them, since reading blocks.
fn read_standard_input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(TYPED_LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
