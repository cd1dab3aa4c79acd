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

use crate::file_limit::raise_file_limit;
use crate::{output, socket};
use engine::EchoInstantiator;

/// What to serve and how.
#[derive(Args)]
pub(crate) struct GuestArgs {
    /// A component that echoes
    #[arg(long)]
    component: PathBuf,
    /// How it is entered
    #[arg(long)]
    calls: CallKind,
}

/// How a guest is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CallKind {
    /// On the stack of the thread that serves the socket
    Plain,
    /// By `call_async`, on a fiber that ticks suspend
    Fiber,
}

/// Serves until it is killed.
pub(crate) fn serve(arguments: &GuestArgs) -> anyhow::Result<()> {
    raise_file_limit();
    let component = std::fs::read(&arguments.component)
        .with_context(|| arguments.component.display().to_string())?;
    let guests =
        Arc::new(EchoInstantiator::new(&component, arguments.calls).map_err(engine_error)?);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = socket::listen().await?;
        output::print_listening(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let guests = Arc::clone(&guests);
            tokio::spawn(async move {
                if let Err(error) = serve_echo(stream, &guests).await {
                    output::print_error(&error);
                }
            });
        }
    })
}

async fn serve_echo(stream: TcpStream, guests: &EchoInstantiator) -> anyhow::Result<()> {
    let mut instance = guests.instantiate().await.map_err(engine_error)?;
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
