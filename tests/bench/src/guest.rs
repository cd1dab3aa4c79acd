//! Measures the cost of `call_async`: a bare server with one component instance for each connection. It calls the
//! instance by plain calls or by `call_async`; everything else is the same.

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

/// The arguments of the guest server.
#[derive(Args)]
pub(crate) struct GuestArgs {
    /// The component, which echoes frames
    #[arg(long)]
    component: PathBuf,
    /// How the server calls the guest
    #[arg(long)]
    calls: CallKind,
}

/// How the server calls a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CallKind {
    /// Plain calls, on the stack of the thread that serves the socket
    Plain,
    /// `call_async`, on a fiber that the clock suspends
    Fiber,
}

/// Serves until the process is killed.
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
