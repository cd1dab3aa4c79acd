//! The watch of certificates and keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The pause between two checks of the files.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The state of some files, which differs after one of them has changed.
#[derive(Default)]
pub(super) struct FileStamps(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

/// Calls `on_change` each time that one of the files has changed, for ever. The files may become others.
pub(crate) async fn poll_files(files: impl Fn() -> Vec<PathBuf>, on_change: impl Fn()) {
    let mut seen = FileStamps::of(files());
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        if seen.update(files()) {
            on_change();
        }
    }
}

impl FileStamps {
    /// The state of these files.
    pub(super) fn of(files: Vec<PathBuf>) -> Self {
        let stamp = |file: PathBuf| {
            let stamp = stat_file(&file);
            (file, stamp)
        };
        Self(files.into_iter().map(stamp).collect())
    }

    /// Records the state of these files. Returns whether one has changed, or was not recorded before: it may have changed
    /// since the host read it.
    pub(super) fn update(&mut self, files: Vec<PathBuf>) -> bool {
        let current = Self::of(files);
        let has_changed = current.0.iter().any(|(file, stamp)| self.0.get(file) != Some(stamp));
        *self = current;
        has_changed
    }
}

/// The modification time and length of a file. Symbolic links are followed, because some tools renew a certificate by
/// changing a link.
fn stat_file(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
