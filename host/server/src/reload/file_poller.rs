//! The watch of certificates and keys.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The pause between two checks of the files.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Calls `on_change` each time that one of the files has changed, for ever.
pub(crate) async fn poll_files(files: Vec<PathBuf>, on_change: impl Fn()) {
    let mut seen = stat_files(&files);
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let current = stat_files(&files);
        if current != seen {
            seen = current;
            on_change();
        }
    }
}

/// The modification time and length of each file. Symbolic links are followed, because some tools renew a certificate by
/// changing a link.
fn stat_files(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let stat = |file: &Path| {
        let metadata = file.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(|file| stat(file)).collect()
}
