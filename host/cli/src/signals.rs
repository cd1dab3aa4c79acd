//! The signals that a host answers; docs/how-to/shut-down-and-drain.md lists them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::output::Console;

/// The exit code of a program that SIGINT ended, by the shells' convention.
const EXIT_INTERRUPTED: i32 = 130;

/// How long a host that leaves at once waits for its last lines to be taken.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// What a host is told by signals.
pub(super) struct Signals {
    /// The first ctrl-c or SIGTERM.
    pub(super) shutdown: Arc<Notify>,
    /// Each SIGHUP.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    /// Listens from now on. A ctrl-c after the first signal to stop ends the process; a further SIGTERM does not, since
    /// those who run services may send it to a process and to its group.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn install(console: &Console) -> io::Result<Self> {
        let signals = Self { shutdown: Arc::default(), reload: Arc::default() };
        let stop = handle_stop_signals(
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            Arc::clone(&signals.shutdown),
            console.clone(),
        );
        tokio::spawn(stop);
        tokio::spawn(forward_hangups(signal(SignalKind::hangup())?, Arc::clone(&signals.reload)));
        tokio::spawn(log_ignored(signal(SignalKind::user_defined1())?, "SIGUSR1"));
        tokio::spawn(log_ignored(signal(SignalKind::user_defined2())?, "SIGUSR2"));
        Ok(signals)
    }
}

async fn handle_stop_signals(
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
    console.eprint_line("stopping; ctrl-c once more to leave at once");
    interrupt.recv().await;
    console.stderr().flush_within(EXIT_FLUSH_TIMEOUT);
    std::process::exit(EXIT_INTERRUPTED);
}

async fn forward_hangups(mut hangup: Signal, reread: Arc<Notify>) {
    while hangup.recv().await.is_some() {
        reread.notify_one();
    }
}

async fn log_ignored(mut signal: Signal, name: &str) {
    while signal.recv().await.is_some() {
        tracing::info!("{name} is ignored; SIGHUP reloads the configuration");
    }
}
