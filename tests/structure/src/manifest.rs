//! What the manifests of the host's crates list.

use std::collections::BTreeSet;
use std::fs;

use crate::source_file::host_folder;

/// The crates of the host by their folders, from the ground up. A crate depends only on crates that stand before it.
pub const FLOORS: [&str; 14] = [
    "sync",
    "core",
    "config",
    "quota",
    "redis-client",
    "websocket",
    "channels",
    "keyvalue",
    "egress",
    "runtime",
    "session",
    "deploy",
    "server",
    "cli",
];

/// The packages that one crate depends on.
pub struct Dependencies {
    /// For the crate itself.
    pub normal: BTreeSet<String>,
    /// For its tests.
    pub dev: BTreeSet<String>,
}

/// The dependencies of the crate in `host/{folder}`.
///
/// # Panics
/// When its manifest cannot be read.
#[expect(clippy::expect_used, reason = "only tests and the table call it")]
pub fn dependencies(folder: &str) -> Dependencies {
    let path = host_folder().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(path).expect("a crate has a manifest");
    let table: toml::Table = text.parse().expect("a manifest is TOML");
    let names = |key: &str| {
        let section = table.get(key).and_then(toml::Value::as_table);
        section.into_iter().flat_map(|section| section.keys().cloned()).collect()
    };
    Dependencies { normal: names("dependencies"), dev: names("dev-dependencies") }
}
