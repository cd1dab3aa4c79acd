//! The keys of the file that the host reads only at start.

use std::collections::BTreeMap;

use toml::{Table, Value};

use narrowboat_core::sha256_digest::Sha256Digest;

/// The keys at the top of the file that belong to the tenant `default` or to other tenants. They are read again while
/// the host runs.
const RELOADABLE_KEYS: [&str; 6] = ["tenants", "routes", "workers", "plugins", "layer", "layers"];

/// The keys of `[admin]` with tokens, which are read again together with the tenants.
const RELOADABLE_ADMIN_KEYS: [&str; 2] = ["token_file", "tokens"];

/// Returns the keys at the top of the file that the host reads only at start, each with the hash of its value. Values
/// are hashed because they may be secrets.
pub(super) fn hash_startup_keys(text: &str) -> BTreeMap<String, Sha256Digest> {
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    if let Some(Value::Table(admin)) = table.get_mut("admin") {
        RELOADABLE_ADMIN_KEYS.iter().for_each(|key| drop(admin.remove(*key)));
    }
    let fixed = table.into_iter().filter(|(key, _)| !RELOADABLE_KEYS.contains(&key.as_str()));
    fixed.map(|(key, value)| (key, Sha256Digest::of(format!("{value:?}").as_bytes()))).collect()
}
