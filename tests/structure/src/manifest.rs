//! The dependencies in the manifests of the host's crates.

use std::collections::BTreeSet;
use std::fs;

use crate::source_file::host_folder;

/// The folders of the host's crates, from the bottom up. A crate depends only on crates before it.
pub const CRATE_ORDER: [&str; 18] = [
    "sync",
    "core",
    "config",
    "quota",
    "redis-client",
    "websocket",
    "channels",
    "keyvalue",
    "schedule",
    "egress",
    "runtime",
    "session",
    "deploy",
    "server",
    "test-kit",
    "javascript-runtime",
    "python-runtime",
    "cli",
];

/// The dependencies of one crate, by package name.
pub struct Dependencies {
    /// The packages that the crate depends on.
    pub normal: BTreeSet<String>,
    /// The packages that only its tests depend on.
    pub dev: BTreeSet<String>,
}

/// Reads the dependencies of the crate in `host/{folder}`.
///
/// # Panics
/// If the manifest cannot be read.
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
