//! The price of `call_async` alone: a bare server with an instance of a component a connection,
//! which is entered by plain calls or by `call_async`, with nothing else between the two.

mod bindings;
mod engine;
mod instance;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;

use crate::limits::raise_file_limit;
use crate::{socket, tell};
use engine::Guests;

/// What to serve and how.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A component that echoes
    #[arg(long)]
    component: PathBuf,
    /// How it is entered
    #[arg(long)]
    calls: Calls,
}

/// How a guest is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calls {
    /// On the stack of the thread that serves the socket
    Plain,
    /// By `call_async`, on a fiber that ticks suspend
    Fiber,
}

/// Serves until it is killed.
pub(crate) fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    raise_file_limit();
    let component = std::fs::read(&arguments.component)
        .with_context(|| arguments.component.display().to_string())?;
    let guests = Arc::new(Guests::new(&component, arguments.calls).map_err(engine_error)?);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = socket::listen().await?;
        tell::listening(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let guests = Arc::clone(&guests);
            tokio::spawn(async move {
                if let Err(error) = echo(stream, &guests).await {
                    tell::failed(&error);
                }
            });
        }
    })
}

async fn echo(stream: TcpStream, guests: &Guests) -> anyhow::Result<()> {
    let mut instance = guests.instance().await.map_err(engine_error)?;
    let mut socket = socket::accept(stream).await?;
    while let Some(message) = socket.next().await {
        for reply in instance.receive(&message?).await.map_err(engine_error)? {
            socket.send(reply).await?;
        }
    }
    Ok(())
}

fn engine_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
