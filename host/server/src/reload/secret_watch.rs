//! The watch of secrets and tokens in files.

use std::sync::Arc;

use super::file_poller::{FileStamps, POLL_INTERVAL};
use crate::host::Host;
use narrowboat_config::SecretChanges;
use narrowboat_runtime::run_on_dedicated_thread;

/// Reads the files of secrets and tokens again and again, for ever, and applies new values. Plugins see them at their next
/// call, no connection closes, and the configuration is not read.
pub(crate) async fn run(host: Arc<Host>) {
    // Empty, so that the first check notices a token that has changed since the host read it.
    let mut tokens = FileStamps::default();
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        refresh_secrets(&host).await;
        if tokens.update(host.token_files()) {
            host.reload_tokens().await;
        }
    }
}

/// Reads all secrets again, and applies those with another value.
pub(super) async fn refresh_secrets(host: &Arc<Host>) {
    let secrets = host.config().secrets.clone();
    // Most hosts have none, and need no thread for them.
    if secrets.is_empty() {
        return;
    }
    let Some(changes) = run_on_dedicated_thread(move || secrets.refresh()).await else { return };
    log_secret_changes(&changes);
    if !changes.changed.is_empty() {
        host.apply_secrets().await;
    }
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
