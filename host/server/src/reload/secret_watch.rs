//! The watch of secrets and tokens in files.

use std::sync::Arc;

use super::file_poller::{FileWatch, POLL_INTERVAL};
use crate::host::Host;
use narrowboat_config::SecretChanges;
use narrowboat_runtime::run_on_dedicated_thread;

/// The most looks of a reload at secrets that keep changing.
const MAX_LOOKS: usize = 4;

/// Whether a secret may still be written.
#[derive(PartialEq, Eq)]
enum WriteProgress {
    Complete,
    Unsettled,
}

/// Reads the files of secrets and tokens again and again, for ever, and applies new values. Plugins see them at their next
/// call, no connection closes, and the configuration is not read.
pub(crate) async fn run(host: Arc<Host>) {
    // Empty, so that the first check notices a token that has changed since the host read it.
    let mut tokens = FileWatch::empty();
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        refresh_secrets(&host).await;
        if tokens.has_changed(host.token_files()) {
            host.reload_tokens().await;
        }
    }
}

/// Reads all secrets again until two looks agree, for a reload that may follow the writer of a secret at once.
pub(super) async fn settle_secrets(host: &Arc<Host>) {
    for _ in 0..MAX_LOOKS {
        if refresh_secrets(host).await == WriteProgress::Complete {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Looks at all secrets, and applies those that have another value at the second look.
async fn refresh_secrets(host: &Arc<Host>) -> WriteProgress {
    let secrets = host.config().secrets.clone();
    // Most hosts have none, and need no thread for them.
    if secrets.is_empty() {
        return WriteProgress::Complete;
    }
    let Some(changes) = run_on_dedicated_thread(move || secrets.refresh()).await else {
        return WriteProgress::Complete;
    };
    log_secret_changes(&changes);
    if !changes.changed.is_empty() {
        let told = Arc::clone(host);
        run_on_dedicated_thread(move || told.log_exposed_files()).await;
        host.apply_secrets().await;
    }
    if changes.unsettled.is_empty() { WriteProgress::Complete } else { WriteProgress::Unsettled }
}

/// Logs the changes of secrets. The log names their sources, and not their values.
fn log_secret_changes(changes: &SecretChanges) {
    for source in &changes.changed {
        tracing::info!(%source, "secret has changed");
    }
    for source in &changes.recovered {
        tracing::info!(%source, "secret can be read again");
    }
    for error in &changes.failed {
        tracing::warn!(%error, "cannot read a secret; its value from before stays");
    }
}
