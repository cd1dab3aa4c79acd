//! The signals that a host handles; docs/how-to/shut-down-and-drain.md lists them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::cli_exit_code::CliExitCode;
use super::output::Console;

/// The longest time for the last lines of a host that is ended at once.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Notifications of signals.
pub(super) struct Signals {
    /// The first ctrl-c or SIGTERM.
    pub(super) shutdown: Arc<Notify>,
    /// Each SIGHUP.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    /// Installs the signal handlers. After the first signal to stop, a ctrl-c ends the process. A further SIGTERM does not:
    /// service managers may send it to a process and to its group.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
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
    shutdown: Arc<Notify>,
    console: Console,
) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.notify_one();
    console.eprint_line("stopping; ctrl-c once more to leave at once");
    interrupt.recv().await;
    console.stderr().flush_within(EXIT_FLUSH_TIMEOUT);
    std::process::exit(CliExitCode::Interrupted.number().into());
}

async fn forward_hangups(mut hangup: Signal, reload: Arc<Notify>) {
    while hangup.recv().await.is_some() {
        reload.notify_one();
    }
}

async fn log_ignored(mut received: Signal, signal: &str) {
    while received.recv().await.is_some() {
        tracing::info!(signal, "signal ignored; SIGHUP reloads the configuration");
    }
}
