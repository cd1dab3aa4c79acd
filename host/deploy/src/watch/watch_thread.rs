//! The thread that scans: when an event wakes it, and from time to time without one.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::changed_paths::ChangedPaths;
use super::file_scan::FileScan;
use super::notify_watcher::{NotifyError, NotifyWatcher};
use super::timing::{DEBOUNCE, MAX_DEBOUNCE, MAX_FILES, POLL_INTERVAL, POLL_ONLY_INTERVAL};
use super::watch_targets::WatchTargets;
use super::watch_thread_handle::WatchThreadHandle;
use narrowboat_config::WatchMode;

/// The most scans in a row while new folders keep appearing. The next regular scan finds the rest.
const MAX_RESCANS: usize = 4;

/// Scans until it is stopped.
pub(super) struct WatchThread {
    targets: WatchTargets,
    /// `None` if the thread only polls.
    events: Option<NotifyWatcher>,
    wake_receiver: Receiver<()>,
    handle: WatchThreadHandle,
    changed_paths: Arc<ChangedPaths>,
    /// The scan whose differences were reported last.
    last_scan: FileScan,
    /// Paths that events named since `last_scan`.
    event_paths: BTreeSet<PathBuf>,
}

impl WatchThread {
    /// Scans once, and returns the thread's state, which is not running yet, and the handle to it.
    pub(super) fn new(
        targets: WatchTargets,
        mode: WatchMode,
        changed_paths: Arc<ChangedPaths>,
    ) -> (Self, WatchThreadHandle) {
        let (handle, wake_receiver) = WatchThreadHandle::new();
        let events = match mode {
            WatchMode::Poll => None,
            WatchMode::Events => {
                NotifyWatcher::new(handle.clone()).map_err(|error| warn_polling_only(&error)).ok()
            }
        };
        let mut thread = Self {
            targets,
            events,
            wake_receiver,
            handle: handle.clone(),
            changed_paths,
            last_scan: FileScan::default(),
            event_paths: BTreeSet::new(),
        };
        thread.last_scan = thread.scan();
        if thread.last_scan.is_truncated {
            tracing::warn!(
                limit = MAX_FILES,
                "too many files to watch; changes of the rest are not noticed"
            );
        }
        (thread, handle)
    }

    /// Starts the thread.
    pub(super) fn spawn(mut self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("narrowboat-watch".to_owned());
        thread.spawn(move || while self.run_once() {}).map(drop)
    }

    /// Waits for a reason to scan, and reports the changes; returns whether to go on.
    fn run_once(&mut self) -> bool {
        // The scan finds every change, so it does not matter whether an event or the timeout ended the wait.
        let _ = self.wake_receiver.recv_timeout(self.poll_interval());
        if self.handle.is_stopped() {
            return false;
        }
        let mut scan = self.scan();
        if !self.changes_in(&scan).is_empty() {
            scan = self.scan_until_stable(scan);
        }
        let changed = self.changes_in(&scan);
        self.event_paths.clear();
        self.last_scan = scan;
        if !changed.is_empty() {
            self.changed_paths.add(changed);
        }
        true
    }

    fn poll_interval(&self) -> Duration {
        let needs_polling = self.events.is_none() || self.last_scan.has_missing_folder;
        if needs_polling { POLL_ONLY_INTERVAL } else { POLL_INTERVAL }
    }

    fn changes_in(&self, scan: &FileScan) -> BTreeSet<PathBuf> {
        scan.changed_since(&self.last_scan, &self.event_paths, self.targets.reports_removals())
    }

    /// Scans until nothing has changed for [`DEBOUNCE`], or for [`MAX_DEBOUNCE`] in total. Events that change no watched
    /// file, such as those of a log in the same folder, do not extend the wait.
    fn scan_until_stable(&mut self, mut scan: FileScan) -> FileScan {
        let deadline = Instant::now() + MAX_DEBOUNCE;
        let mut last_change = Instant::now();
        loop {
            let stable_at = (last_change + DEBOUNCE).min(deadline);
            let wait = stable_at.saturating_duration_since(Instant::now());
            let was_woken = self.wake_receiver.recv_timeout(wait).is_ok();
            let next = self.scan();
            let is_stable = next.files == scan.files;
            scan = next;
            if !is_stable {
                last_change = Instant::now();
            } else if !was_woken || Instant::now() >= stable_at {
                return scan;
            }
            if Instant::now() >= deadline || self.handle.is_stopped() {
                return scan;
            }
        }
    }

    /// Scans, and watches the folders that exist now.
    fn scan(&mut self) -> FileScan {
        self.collect_event_paths();
        let mut scan = self.targets.scan();
        for _ in 0..MAX_RESCANS {
            match self.events.as_mut().map(|events| events.watch_folders(&scan.folders)) {
                // A file may have been created in a new folder before the folder was watched.
                Some(Ok(true)) => scan = self.targets.scan(),
                Some(Ok(false)) | None => break,
                Some(Err(error)) => {
                    warn_polling_only(&error);
                    self.events = None;
                }
            }
        }
        scan
    }

    /// Takes the paths that events have named. Call it before a scan, so that events during the scan count for the next
    /// one.
    fn collect_event_paths(&mut self) {
        if let Some(events) = &mut self.events {
            self.event_paths.append(&mut events.take_paths().paths);
        }
    }
}

fn warn_polling_only(error: &NotifyError) {
    let interval_ms = POLL_ONLY_INTERVAL.as_millis();
    tracing::warn!(
        interval_ms,
        %error,
        "no file events from the operating system; files are polled instead"
    );
}
