//! Watches files for changes: components of a running host, and sources of plugins in development.
//!
//! Events of the operating system only say when to scan. A scan compares the files on disk with those of the scan before
//! it. So the reported changes do not depend on which events a file system sends.
//!
//! ```text
//! NotifyWatcher ── wakes ──▶ WatchThread ── scans WatchTargets ──▶ FileScan ── differences ──▶ ChangedPaths ──▶ Watcher
//! ```

mod changed_paths;
mod file_scan;
mod notify_watcher;
mod timing;
mod watch_error;
mod watch_targets;
mod watch_thread;
mod watch_thread_handle;
mod watcher;

pub use narrowboat_config::WatchMode;
pub use timing::{DEBOUNCE, MAX_DEBOUNCE, MAX_FILES, POLL_INTERVAL, POLL_ONLY_INTERVAL};
pub use watch_error::WatchError;
pub use watcher::Watcher;
