//! The thread that looks: when an event wakes it, and now and then by itself.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::file_scan::FileScan;
use super::notify_watcher::{NotifyError, NotifyWatcher};
use super::watch_targets::WatchTargets;
use super::{
    ChangedPaths, DEBOUNCE, MAX_DEBOUNCE, MAX_FILES, POLL_INTERVAL, POLL_ONLY_INTERVAL, WatchMode,
};

/// Looks in a row at folders that keep appearing; the next regular look sees the rest.
const MAX_RESCANS: usize = 4;

/// Looks until it is stopped.
pub(super) struct WatchThread {
    targets: WatchTargets,
    /// Nothing where looks are all there is.
    events: Option<NotifyWatcher>,
    wake_receiver: Receiver<()>,
    stopped: Arc<AtomicBool>,
    changed_paths: Arc<ChangedPaths>,
    /// What has been reported.
    last_scan: FileScan,
    /// What events named and no look has reported.
    event_paths: BTreeSet<PathBuf>,
}

/// Wakes a lookout; being woken twice before it looks is being woken once.
#[derive(Debug, Clone)]
pub(super) struct WatchThreadHandle {
    wake_sender: SyncSender<()>,
    stopped: Arc<AtomicBool>,
}

impl WatchThreadHandle {
    pub(super) fn wake(&self) {
        // Full is as good: it will wake.
        let _ = self.wake_sender.try_send(());
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }
}

impl WatchThread {
    /// A lookout whose first look is made.
    pub(super) fn new(
        subjects: WatchTargets,
        noticing: WatchMode,
        touched: Arc<ChangedPaths>,
    ) -> (Self, WatchThreadHandle) {
        let (wake, woken) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let waker = WatchThreadHandle { wake_sender: wake, stopped: Arc::clone(&stopped) };
        let events = match noticing {
            WatchMode::Poll => None,
            WatchMode::Events => {
                NotifyWatcher::new(waker.clone()).map_err(|why| warn_polling_only(&why)).ok()
            }
        };
        let last = FileScan::default();
        let named = BTreeSet::new();
        let mut lookout = Self {
            targets: subjects,
            events,
            wake_receiver: woken,
            stopped,
            changed_paths: touched,
            last_scan: last,
            event_paths: named,
        };
        lookout.last_scan = lookout.scan();
        if lookout.last_scan.is_truncated {
            tracing::warn!("only the first {MAX_FILES} files and folders are watched for changes");
        }
        (lookout, waker)
    }

    /// Starts its thread.
    pub(super) fn spawn(mut self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("narrowboat-watch".to_owned());
        thread.spawn(move || while self.run_once() {}).map(drop)
    }

    /// Waits for a reason to look, and reports; returns whether to go on.
    fn run_once(&mut self) -> bool {
        // Woken or not: what an event told of shows in the look.
        let _ = self.wake_receiver.recv_timeout(self.poll_interval());
        if self.stopped.load(Ordering::Acquire) {
            return false;
        }
        let mut look = self.scan();
        if !self.changes_in(&look).is_empty() {
            look = self.scan_until_stable(look);
        }
        let touched = self.changes_in(&look);
        self.event_paths.clear();
        self.last_scan = look;
        if !touched.is_empty() {
            self.changed_paths.add(touched);
        }
        true
    }

    fn poll_interval(&self) -> Duration {
        let blind = self.events.is_none() || self.last_scan.has_missing_folder;
        if blind { POLL_ONLY_INTERVAL } else { POLL_INTERVAL }
    }

    fn changes_in(&self, look: &FileScan) -> BTreeSet<PathBuf> {
        look.changed_since(&self.last_scan, &self.event_paths, self.targets.reports_removals())
    }

    /// Looks until nothing has changed for [`DEBOUNCE`], or for [`PATIENCE`] altogether. Events that
    /// change nothing of what is watched, such as those of a log in the same folder, prolong nothing.
    fn scan_until_stable(&mut self, mut look: FileScan) -> FileScan {
        let end = Instant::now() + MAX_DEBOUNCE;
        let mut changed = Instant::now();
        loop {
            let still = (changed + DEBOUNCE).min(end);
            let rest = still.saturating_duration_since(Instant::now());
            let was_woken = self.wake_receiver.recv_timeout(rest).is_ok();
            let next = self.scan();
            let is_still = next.files == look.files;
            look = next;
            if !is_still {
                changed = Instant::now();
            } else if !was_woken || Instant::now() >= still {
                return look;
            }
            if Instant::now() >= end || self.stopped.load(Ordering::Acquire) {
                return look;
            }
        }
    }

    /// Looks, and watches the folders that are there now.
    fn scan(&mut self) -> FileScan {
        self.collect_event_paths();
        let mut look = self.targets.scan();
        for _ in 0..MAX_RESCANS {
            match self.events.as_mut().map(|events| events.watch_folders(&look.folders)) {
                // In a folder that was not watched yet something may have come since.
                Some(Ok(true)) => look = self.targets.scan(),
                Some(Ok(false)) | None => break,
                Some(Err(why)) => {
                    warn_polling_only(&why);
                    self.events = None;
                }
            }
        }
        look
    }

    /// Takes over what events named, before a look, so that what comes during it counts for the
    /// next.
    fn collect_event_paths(&mut self) {
        if let Some(events) = &mut self.events {
            self.event_paths.append(&mut events.take_paths().paths);
        }
    }
}

fn warn_polling_only(why: &NotifyError) {
    let millis = POLL_ONLY_INTERVAL.as_millis();
    tracing::warn!(
        "the system tells of no changed files, so they are looked at each {millis} ms: {why}"
    );
}
