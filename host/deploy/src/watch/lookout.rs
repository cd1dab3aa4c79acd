//! The thread that looks: when an event wakes it, and now and then by itself.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::events::{Events, NoEvents};
use super::look::Look;
use super::subjects::Subjects;
use super::{DEBOUNCE, MAX_FILES, Noticing, PATIENCE, POLL, POLL_ALONE, Touched};

/// Looks in a row at folders that keep appearing; the next regular look sees the rest.
const MAX_LOOKS: usize = 4;

/// Looks until it is stopped.
pub(super) struct Lookout {
    subjects: Subjects,
    /// Nothing where looks are all there is.
    events: Option<Events>,
    woken: Receiver<()>,
    stopped: Arc<AtomicBool>,
    touched: Arc<Touched>,
    /// What has been reported.
    last: Look,
    /// What events named and no look has reported.
    named: BTreeSet<PathBuf>,
}

/// Wakes a lookout; being woken twice before it looks is being woken once.
#[derive(Debug, Clone)]
pub(super) struct Waker {
    wake: SyncSender<()>,
    stopped: Arc<AtomicBool>,
}

impl Waker {
    pub(super) fn wake(&self) {
        // Full is as good: it will wake.
        let _ = self.wake.try_send(());
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }
}

impl Lookout {
    /// A lookout whose first look is made.
    pub(super) fn new(
        subjects: Subjects,
        noticing: Noticing,
        touched: Arc<Touched>,
    ) -> (Self, Waker) {
        let (wake, woken) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let waker = Waker { wake, stopped: Arc::clone(&stopped) };
        let events = match noticing {
            Noticing::Poll => None,
            Noticing::Events => Events::new(waker.clone()).map_err(|why| warn(&why)).ok(),
        };
        let last = Look::default();
        let named = BTreeSet::new();
        let mut lookout = Self { subjects, events, woken, stopped, touched, last, named };
        lookout.last = lookout.look();
        if lookout.last.is_cut {
            tracing::warn!("only the first {MAX_FILES} files and folders are watched for changes");
        }
        (lookout, waker)
    }

    /// Starts its thread.
    pub(super) fn start(mut self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("narrowboat-watch".to_owned());
        thread.spawn(move || while self.round() {}).map(drop)
    }

    /// Waits for a reason to look, and reports; returns whether to go on.
    fn round(&mut self) -> bool {
        // Woken or not: what an event told of shows in the look.
        let _ = self.woken.recv_timeout(self.pause());
        if self.stopped.load(Ordering::Acquire) {
            return false;
        }
        let mut look = self.look();
        if !self.touched_by(&look).is_empty() {
            look = self.settled(look);
        }
        let touched = self.touched_by(&look);
        self.named.clear();
        self.last = look;
        if !touched.is_empty() {
            self.touched.add(touched);
        }
        true
    }

    fn pause(&self) -> Duration {
        let blind = self.events.is_none() || self.last.lacks_a_folder;
        if blind { POLL_ALONE } else { POLL }
    }

    fn touched_by(&self, look: &Look) -> BTreeSet<PathBuf> {
        look.since(&self.last, &self.named, self.subjects.report_what_goes())
    }

    /// Looks until nothing has changed for [`DEBOUNCE`], or for [`PATIENCE`] altogether. Events that
    /// change nothing of what is watched, such as those of a log in the same folder, prolong nothing.
    fn settled(&mut self, mut look: Look) -> Look {
        let end = Instant::now() + PATIENCE;
        let mut changed = Instant::now();
        loop {
            let still = (changed + DEBOUNCE).min(end);
            let rest = still.saturating_duration_since(Instant::now());
            let was_woken = self.woken.recv_timeout(rest).is_ok();
            let next = self.look();
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
    fn look(&mut self) -> Look {
        self.note_named();
        let mut look = self.subjects.look();
        for _ in 0..MAX_LOOKS {
            match self.events.as_mut().map(|events| events.follow(&look.folders)) {
                // In a folder that was not watched yet something may have come since.
                Some(Ok(true)) => look = self.subjects.look(),
                Some(Ok(false)) | None => break,
                Some(Err(why)) => {
                    warn(&why);
                    self.events = None;
                }
            }
        }
        look
    }

    /// Takes over what events named, before a look, so that what comes during it counts for the
    /// next.
    fn note_named(&mut self) {
        if let Some(events) = &mut self.events {
            self.named.append(&mut events.named().paths);
        }
    }
}

fn warn(why: &NoEvents) {
    let millis = POLL_ALONE.as_millis();
    tracing::warn!(
        "the system tells of no changed files, so they are looked at each {millis} ms: {why}"
    );
}
