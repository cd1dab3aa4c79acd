//! Clients that open a connection, close it, and begin anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use tokio::task::JoinSet;

use super::Target;
use crate::limits::raise_file_limit;
use crate::measured::Measured;
use crate::socket;

/// Whom to load and how.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Clients at a time
    #[arg(long)]
    at_once: usize,
}

/// Measures connections that were opened and closed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Measured> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Arguments { target, at_once } = arguments;
        let count = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..*at_once {
            let (target, count) = (target.clone(), Arc::clone(&count));
            clients.spawn(async move {
                loop {
                    let socket = socket::connect(target.whom.server, &target.whom.path).await?;
                    socket::close(socket).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::select! {
            measured = target.watch(|| count.load(Ordering::Relaxed)) => measured,
            Some(ended) = clients.join_next() => ended?,
        }
    })
}
