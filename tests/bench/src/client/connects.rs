//! Clients that open a connection, close it, and start again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use tokio::task::JoinSet;

use super::LoadTarget;
use crate::file_limit::raise_file_limit;
use crate::measurement::Measurement;
use crate::socket;

/// The arguments of the role that opens and closes connections.
#[derive(Args)]
pub(crate) struct ConnectsArgs {
    #[command(flatten)]
    target: LoadTarget,
    /// Number of clients
    #[arg(long)]
    at_once: usize,
}

/// Measures the number of connections that were opened and closed.
pub(crate) fn run(arguments: &ConnectsArgs) -> anyhow::Result<Measurement> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ConnectsArgs { target, at_once } = arguments;
        let count = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..*at_once {
            let (target, count) = (target.clone(), Arc::clone(&count));
            clients.spawn(async move {
                loop {
                    let socket =
                        socket::connect(target.target_server.server, &target.target_server.path)
                            .await?;
                    socket::close(socket).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::select! {
            measured = target.measure_count(|| count.load(Ordering::Relaxed)) => measured,
            Some(ended) = clients.join_next() => ended?,
        }
    })
}
