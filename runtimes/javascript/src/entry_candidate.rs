//! The exports that may have the classes of a plugin.

use crate::program::Entry;

/// An export that may have a class of a plugin.
pub struct EntryCandidate {
    /// The export.
    pub entry: Entry,
    /// The class that it has to have.
    pub role: EntryRole,
}

/// The class that an export has to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EntryRole {
    /// A consumer, because the manifest says so.
    Consumer,
    /// A worker, because the manifest says so.
    Worker,
    /// A consumer or a worker, because the manifest names neither.
    Main,
    /// A consumer or anything else, because the manifest names only the worker.
    Candidate,
}

impl EntryRole {
    /// The name of the role in `js/runtime.js`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Worker => "worker",
            Self::Main => "main",
            Self::Candidate => "candidate",
        }
    }
}

impl EntryCandidate {
    /// Creates the candidates of named entries.
    pub fn named(consumer: Option<Entry>, worker: Option<Entry>) -> Vec<Self> {
        let consumer = consumer.map(|entry| Self { entry, role: EntryRole::Consumer });
        let worker = worker.map(|entry| Self { entry, role: EntryRole::Worker });
        consumer.into_iter().chain(worker).collect()
    }

    /// Creates a candidate for a default export.
    pub fn default_export(module: String, role: EntryRole) -> Self {
        Self { entry: Entry { module, export: "default".to_owned() }, role }
    }
}
