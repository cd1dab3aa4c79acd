//! How the source of a plugin runs.

use super::entry_point::EntryPoint;
use super::language::Language;

/// How the source of a plugin runs: the keys of a manifest that only a source bundle has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// The language of the source.
    pub runtime: Language,
    /// The class of the consumer; `None` if the runtime has to find it.
    pub consumer: Option<EntryPoint>,
    /// The class of the worker; `None` if the runtime has to find it.
    pub worker: Option<EntryPoint>,
}
