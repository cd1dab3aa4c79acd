//! The settings of a plugin: the keys and values of its `config` table, which change while the plugin runs.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The settings of a plugin. Values may be secrets, so that `Debug` prints only the keys.
///
/// The host shares one `PluginSettings` with all versions and instances of a plugin, and replaces its content when the
/// configuration or a file with a secret changes. A reader takes a snapshot, which does not change.
#[derive(Default)]
pub struct PluginSettings {
    /// Guards a single value, so that a panic of another thread leaves it whole.
    current: RwLock<Arc<BTreeMap<String, String>>>,
    /// The number of replacements that have changed something.
    generation: AtomicU64,
}

impl PluginSettings {
    /// Settings with these values.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { current: RwLock::new(Arc::new(values)), generation: AtomicU64::new(0) }
    }

    /// The values of this moment.
    pub fn snapshot(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number that grows with each change.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Replaces all values. Returns whether a value was added, changed or removed.
    pub fn replace(&self, values: BTreeMap<String, String>) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if **current == values {
            return false;
        }
        let previous = mem::replace(&mut *current, Arc::new(values));
        self.generation.fetch_add(1, Ordering::Release);
        drop(current);
        drop(previous);
        true
    }
}

impl Debug for PluginSettings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let values = self.snapshot();
        f.write_str("PluginSettings ")?;
        f.debug_set().entries(values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_default_has_no_settings() {
        assert!(PluginSettings::default().snapshot().is_empty());
    }

    #[test]
    fn a_snapshot_keeps_its_values_after_a_replacement() {
        let settings = PluginSettings::new(values(&[("key", "old")]));
        let before = settings.snapshot();
        assert!(settings.replace(values(&[("key", "new")])));
        assert_eq!(before["key"], "old");
        assert_eq!(settings.snapshot()["key"], "new");
    }

    #[test]
    fn replace_says_whether_something_changed() {
        let settings = PluginSettings::new(values(&[("a", "1")]));
        assert!(!settings.replace(values(&[("a", "1")])));
        assert!(settings.replace(values(&[("a", "2")])));
        assert!(settings.replace(values(&[("a", "2"), ("b", "")])));
        assert!(settings.replace(values(&[("b", "")])));
        assert_eq!(settings.generation(), 3);
    }

    #[test]
    fn debug_prints_keys_and_no_values() {
        let settings = PluginSettings::new(values(&[("api.key", "hunter2"), ("mode", "hunter3")]));
        assert_eq!(format!("{settings:?}"), r#"PluginSettings {"api.key", "mode"}"#);
    }
}
