//! How often and how much a watcher scans.

use std::time::Duration;

/// How long files must stay unchanged before a change is reported, so that readers see whole files.
pub const DEBOUNCE: Duration = Duration::from_millis(30);

/// The longest time for which a change is held back while files keep changing.
pub const MAX_DEBOUNCE: Duration = Duration::from_millis(300);

/// The time between two scans without an event.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two scans if no events arrive: with [`WatchMode::Poll`](super::WatchMode::Poll), and while a folder
/// is missing.
pub const POLL_ONLY_INTERVAL: Duration = Duration::from_millis(250);

/// The most files and folders that a watcher scans. It logs a warning if there are more.
pub const MAX_FILES: usize = 50_000;
