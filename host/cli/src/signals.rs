//! The signals that a host answers; docs/how-to/shut-down-and-drain.md lists them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::output::Console;

/// The exit code of a program that SIGINT ended, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// How long a host that leaves at once waits for its last lines to be taken.
const LAST_LINES: Duration = Duration::from_millis(100);

/// What a host is told by signals.
pub(super) struct Signals {
    /// The first ctrl-c or SIGTERM.
    pub(super) stopping: Arc<Notify>,
    /// Each SIGHUP.
    pub(super) reread: Arc<Notify>,
}

impl Signals {
    /// Listens from now on. A ctrl-c after the first signal to stop ends the process; a further SIGTERM does not, since
    /// those who run services may send it to a process and to its group.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn listen(console: &Console) -> io::Result<Self> {
        let signals = Self { stopping: Arc::default(), reread: Arc::default() };
        let stop = stop(
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            Arc::clone(&signals.stopping),
            console.clone(),
        );
        tokio::spawn(stop);
        tokio::spawn(reread(signal(SignalKind::hangup())?, Arc::clone(&signals.reread)));
        tokio::spawn(ignore(signal(SignalKind::user_defined1())?, "SIGUSR1"));
        tokio::spawn(ignore(signal(SignalKind::user_defined2())?, "SIGUSR2"));
        Ok(signals)
    }
}

async fn stop(
    mut interrupt: Signal,
    mut terminate: Signal,
    stopping: Arc<Notify>,
    console: Console,
) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stopping.notify_one();
    console.note("stopping; ctrl-c once more to leave at once");
    interrupt.recv().await;
    console.stderr().flush_within(LAST_LINES);
    std::process::exit(INTERRUPTED);
}

async fn reread(mut hangup: Signal, reread: Arc<Notify>) {
    while hangup.recv().await.is_some() {
        reread.notify_one();
    }
}

async fn ignore(mut signal: Signal, name: &str) {
    while signal.recv().await.is_some() {
        tracing::info!("{name} is ignored; SIGHUP has the configuration read anew");
    }
}
