//! The limit of our stack: echo by tokio-tungstenite and nothing else, as its user would write it.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use crate::limits::raise_file_limit;
use crate::socket;
use crate::tell;

/// Serves until it is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    raise_file_limit();
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = socket::listen().await?;
        tell::listening(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async {
                if let Err(error) = echo(stream).await {
                    tell::failed(&error);
                }
            });
        }
    })
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = socket::accept(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
