//! The reference page of the manifest.

use super::expand_tables::expand_tables;
use super::manifest_tables::manifest_tables;

/// The prose of the page, and a line for each table.
const TEMPLATE: &str = include_str!("manifest.md.in");

/// Returns the reference page of the manifest, which is `docs/reference/manifest.md`.
pub fn manifest_reference() -> String {
    expand_tables(TEMPLATE, manifest_tables())
}
