//! Files that are read anew while the host runs: certificates and keys.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Calls `renew` whenever one of the files has changed. Goes on for ever.
pub(super) async fn poll_files(files: Vec<PathBuf>, renew: impl Fn()) {
    let mut seen = stat_files(&files);
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let now = stat_files(&files);
        if now != seen {
            seen = now;
            renew();
        }
    }
}

/// When each was changed, and how long it is; links are followed, since some renew by those.
fn stat_files(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let look = |file: &Path| {
        let metadata = file.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(|file| look(file)).collect()
}
