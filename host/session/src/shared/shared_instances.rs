//! The shared instances of a plugin.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::instance_slot::InstanceSlot;
use super::job::{JOB_QUEUE_LIMIT, Job};
use super::shared_instance::SharedInstance;

/// The shared instances of a plugin. Each is made when a connection first needs it, and again after it has failed.
pub(crate) struct SharedInstances {
    table: Mutex<Table>,
}

struct Table {
    entries: Vec<Option<Entry>>,
    /// The entry of the next connection, in rotation.
    next_index: usize,
    /// No route leads to the plugin any more: an instance ends with its last connection.
    retired: bool,
}

/// A shared instance that new connections get.
struct Entry {
    jobs: mpsc::WeakSender<Job>,
    slot: Arc<InstanceSlot>,
    /// Keeps the task running while the instance has no connections.
    keepalive: Option<mpsc::Sender<Job>>,
}

impl Entry {
    /// A handle to the instance, if its task still runs.
    fn upgrade(&self) -> Option<SharedInstance> {
        let jobs = self.jobs.upgrade().filter(|jobs| !jobs.is_closed())?;
        Some(SharedInstance::with_slot(jobs, Arc::clone(&self.slot)))
    }
}

impl SharedInstances {
    /// Creates `count` empty entries.
    pub(crate) fn new(count: usize) -> Self {
        let entries = std::iter::repeat_with(|| None).take(count).collect();
        Self { table: Mutex::new(Table { entries, next_index: 0, retired: false }) }
    }

    /// Retires the plugin: from now on an instance ends with its last connection.
    pub(crate) fn retire(&self) {
        let mut table = self.lock();
        table.retired = true;
        let keepalives: Vec<_> =
            table.entries.iter_mut().flatten().map(|entry| entry.keepalive.take()).collect();
        drop(table);
        drop(keepalives);
    }

    /// Returns the instance for a new connection. `start_task` starts the task of an instance that does not exist yet
    /// or has failed; it gets the task's job queue and a handle to the instance.
    pub(super) fn acquire(
        &self,
        start_task: impl FnOnce(mpsc::Receiver<Job>, &SharedInstance),
    ) -> SharedInstance {
        let mut table = self.lock();
        let index = table.next_index;
        table.next_index = (index + 1) % table.entries.len();
        if let Some(instance) = table.entries[index].as_ref().and_then(Entry::upgrade) {
            return instance;
        }
        let (jobs, queue) = mpsc::channel(JOB_QUEUE_LIMIT);
        let instance = SharedInstance::new(jobs);
        start_task(queue, &instance);
        table.entries[index] = Some(Entry {
            jobs: instance.jobs.downgrade(),
            slot: Arc::clone(&instance.slot),
            keepalive: (!table.retired).then(|| instance.jobs.clone()),
        });
        instance
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics between two writes under this lock, so a poisoned table is consistent.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
