use std::collections::BTreeMap;

use crate::testing::native::current_instance::with_host;

/// The value of a key of the plugin's configuration; `None` outside of the plugin.
pub(crate) fn get(key: &str) -> Option<String> {
    with_host(|host, _| host.config.get(key).cloned()).flatten()
}

/// The plugin's configuration, which is empty outside of the plugin.
pub(crate) fn all() -> BTreeMap<String, String> {
    with_host(|host, _| host.config.clone()).unwrap_or_default()
}
