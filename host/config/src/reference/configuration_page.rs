//! The reference page of the configuration.

use super::expand_tables::expand_tables;
use super::keys::config_tables;

/// The prose of the page, and a line for each table.
const TEMPLATE: &str = include_str!("configuration.md.in");

/// Returns the reference page of the configuration, which is `docs/reference/configuration.md`.
pub fn configuration_reference() -> String {
    expand_tables(TEMPLATE, config_tables())
}
