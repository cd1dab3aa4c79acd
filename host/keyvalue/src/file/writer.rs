//! The writer thread.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::copy;
use super::entry_value::wall_now;
use super::expiry_sweep::{ExpirySweep, SweepProgress};
use super::group_commit::{Applied, GroupCommit};
use super::open_database::OpenDatabase;
use super::shared_state::SharedState;
use super::snapshot::Snapshot;
use super::storage_failure::StorageFailure;
use super::store_folder::StoreFolder;
use super::write_request::{CompactResult, PendingChange, WriteRequest};
use crate::{KeyvalueError, StoreCondition};
use narrowboat_core::outage_log::OutageLog;

/// The most new changes of one commit, and the most that an earlier one has put off.
const MAX_BATCH: usize = 1_024;

/// How often expired entries are removed if nothing is written.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The pause before more expired entries are removed if the last commit has left some.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// How long after an attempt to open a file on a full disk the next one follows.
pub(super) const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// The writer thread. It takes the changes that wait, commits them with one `fsync`, and then answers all.
pub(super) struct Writer {
    folder: Arc<StoreFolder>,
    shared: Arc<SharedState>,
    database: Arc<OpenDatabase>,
    /// The bytes that the entries of each owner count for after the last commit.
    usage: HashMap<Vec<u8>, u64>,
    last_open: Instant,
    sweep: ExpirySweep,
    /// The changes that need the bytes of more expired entries than one commit removes.
    deferred: VecDeque<PendingChange>,
    disk_log: OutageLog,
}

/// The end of a transaction.
struct Committed {
    applied: Vec<Applied>,
    /// The usage that has changed; `None` if nothing has.
    usage: Option<HashMap<Vec<u8>, u64>>,
    sweep: SweepProgress,
}

impl Writer {
    pub(super) fn new(
        folder: Arc<StoreFolder>,
        shared: Arc<SharedState>,
        database: Arc<OpenDatabase>,
        usage: HashMap<Vec<u8>, u64>,
    ) -> Self {
        Self {
            folder,
            shared,
            database,
            usage,
            last_open: Instant::now(),
            sweep: ExpirySweep::default(),
            deferred: VecDeque::new(),
            disk_log: OutageLog::default(),
        }
    }

    /// Handles requests until it is told to stop, or the store is gone.
    pub(super) fn run(mut self, requests: &Receiver<WriteRequest>) {
        let mut wait = SWEEP_INTERVAL;
        loop {
            let first = match requests.recv_timeout(wait) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (mut changes, mut other) = (Vec::new(), None);
            for request in first.into_iter().chain(requests.try_iter()) {
                match request {
                    WriteRequest::Change(change) => changes.push(change),
                    request => other = Some(request),
                }
                if other.is_some() || changes.len() == MAX_BATCH {
                    break;
                }
            }
            // Changes that were put off come last, so that they hold up no other tenant's.
            let deferred = self.deferred.len().min(MAX_BATCH);
            changes.extend(self.deferred.drain(..deferred));
            wait = self.write(changes);
            match other {
                Some(WriteRequest::Stop) => return,
                Some(WriteRequest::Compact(reply)) => drop(reply.send(self.compact())),
                _ => {}
            }
        }
    }

    /// Commits changes, and answers them. Without changes it removes expired entries. Returns the time to wait for further
    /// changes.
    fn write(&mut self, changes: Vec<PendingChange>) -> Duration {
        // A caller that has given up has not been told anything.
        let changes: Vec<_> =
            changes.into_iter().filter(|change| !change.reply.is_closed()).collect();
        let committed = match self.ensure_writable(!changes.is_empty()) {
            Ok(()) => self.commit(&changes),
            Err(error) => Err(error),
        };
        match committed {
            Ok((applied, sweep)) => {
                for (change, applied) in changes.into_iter().zip(applied) {
                    match applied {
                        Applied::Done(result) => drop(change.reply.send(result)),
                        Applied::Later => self.deferred.push_back(change),
                    }
                }
                match sweep {
                    _ if !self.deferred.is_empty() => Duration::ZERO,
                    SweepProgress::Partial => SWEEP_PAUSE,
                    SweepProgress::Complete => SWEEP_INTERVAL,
                }
            }
            Err(error) => {
                for change in changes.into_iter().chain(self.deferred.drain(..)) {
                    let _ = change.reply.send(Err(error.clone()));
                }
                SWEEP_INTERVAL
            }
        }
    }

    /// Opens the file anew after the disk was full.
    fn ensure_writable(&mut self, is_asked: bool) -> Result<(), KeyvalueError> {
        match self.database.failure() {
            None => Ok(()),
            Some(StorageFailure::Full(problem)) => {
                if !is_asked || self.last_open.elapsed() < REOPEN_INTERVAL {
                    return Err(KeyvalueError::DiskFull(problem));
                }
                self.reopen().map_err(|_| KeyvalueError::DiskFull(problem))
            }
            Some(StorageFailure::Lost(problem)) => Err(KeyvalueError::ReadOnly(problem)),
        }
    }

    /// Opens the file of the folder, and gives readers its state.
    fn reopen(&mut self) -> Result<(), KeyvalueError> {
        self.last_open = Instant::now();
        let unavailable =
            |error: &dyn std::fmt::Display| KeyvalueError::Unavailable(error.to_string());
        let file = self.folder.open_file().map_err(|error| unavailable(&error))?;
        let database = OpenDatabase::open(file, &self.folder.file());
        let database = Arc::new(database.map_err(|error| unavailable(&error))?);
        let snapshot = Snapshot::take(&database)?;
        let usage = snapshot.usage()?;
        self.shared.set_snapshot(snapshot);
        self.shared.set_usage(usage.clone());
        (self.database, self.usage) = (database, usage);
        Ok(())
    }

    /// Applies changes in one transaction, and makes it durable.
    fn commit(
        &mut self,
        changes: &[PendingChange],
    ) -> Result<(Vec<Applied>, SweepProgress), KeyvalueError> {
        let committed = self.try_commit(changes);
        if let Some(failure) = self.database.failure() {
            return Err(self.report(failure));
        }
        let Committed { applied, usage, sweep } = match committed {
            Ok(committed) => committed,
            // The file cannot be read or is damaged, and redb refuses everything from now on.
            Err(error) => {
                let failure = StorageFailure::Lost(error.to_string());
                self.database.fail(failure.clone());
                return Err(self.report(failure));
            }
        };
        if let Some(usage) = usage {
            self.publish(usage)?;
        }
        Ok((applied, sweep))
    }

    /// Shows readers the state after a commit.
    fn publish(&mut self, usage: HashMap<Vec<u8>, u64>) -> Result<(), KeyvalueError> {
        self.usage.extend(usage.clone());
        self.usage.retain(|_, bytes| *bytes > 0);
        self.shared.set_snapshot(Snapshot::take(&self.database)?);
        self.shared.change_usage(usage);
        self.shared.set_condition(StoreCondition::Healthy);
        if self.disk_log.record_success() {
            tracing::info!("keyvalue: the disk has room again, and the store takes writes");
        }
        Ok(())
    }

    fn try_commit(&mut self, changes: &[PendingChange]) -> Result<Committed, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut group = GroupCommit::open(&transaction, &self.usage, wall_now())?;
        let sweep = self.sweep.advance(&mut group)?;
        let applied: Result<Vec<_>, _> =
            changes.iter().map(|pending| group.apply(&pending.change)).collect();
        let (applied, usage) = (applied?, group.finish()?);
        match usage {
            Some(_) => transaction.commit()?,
            None => transaction.abort()?,
        }
        Ok(Committed { applied, usage, sweep })
    }

    /// Reports a failure of the disk in the log and the status, and returns its error.
    fn report(&mut self, failure: StorageFailure) -> KeyvalueError {
        let file = self.folder.file();
        let file = file.display();
        match failure {
            StorageFailure::Full(problem) => {
                // The disk may be full again after each attempt.
                if self.disk_log.record_failure(Instant::now()) {
                    tracing::error!(
                        %file,
                        %problem,
                        "keyvalue: the store takes no writes until the disk has room"
                    );
                }
                self.shared.set_condition(StoreCondition::Full(problem.clone()));
                KeyvalueError::DiskFull(problem)
            }
            StorageFailure::Lost(problem) => {
                tracing::error!(
                    %file,
                    %problem,
                    "keyvalue: the store is read-only until a restart; check the disk and the system's log"
                );
                self.shared.set_condition(StoreCondition::ReadOnly(problem.clone()));
                KeyvalueError::ReadOnly(problem)
            }
        }
    }

    /// Writes all entries into a new file, and continues with it. Readers go on meanwhile; writes wait.
    fn compact(&mut self) -> CompactResult {
        self.ensure_writable(true)?;
        let unavailable = |error: std::io::Error| match StorageFailure::of_write(&error) {
            StorageFailure::Full(problem) => KeyvalueError::DiskFull(problem),
            StorageFailure::Lost(problem) => KeyvalueError::Unavailable(problem),
        };
        let len = || std::fs::metadata(self.folder.file()).map(|metadata| metadata.len());
        let before = len().map_err(unavailable)?;
        let snapshot = Snapshot::take(&self.database)?;
        let copied = self.folder.partial_file().map_err(unavailable)?;
        let file = self.folder.on_disk(copied.reopen().map_err(unavailable)?);
        copy::copy_entries(&snapshot, file, copied.path())?;
        self.folder.replace_file(copied).map_err(unavailable)?;
        // The database before is dropped with its last reader. Its name is gone, so nothing finds it any more.
        if let Err(error) = self.reopen() {
            let failure = StorageFailure::Lost(format!("the compacted file: {error}"));
            self.database.fail(failure.clone());
            return Err(self.report(failure));
        }
        let after = std::fs::metadata(self.folder.file()).map_err(unavailable)?.len();
        Ok((before, after))
    }
}

impl Drop for Writer {
    /// A writer that ends in a panic leaves its file as it is, and readers go on.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let problem = "the writer thread has panicked".to_owned();
            self.shared.set_condition(StoreCondition::ReadOnly(problem));
        }
    }
}
