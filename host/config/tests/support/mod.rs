//! Helpers of the tests of the configuration.

#![allow(dead_code, reason = "each test file uses a part of the helpers")]
#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::path::Path;

use narrowboat_config::{Config, TenantConfig};
use narrowboat_core::name::Tenant;

/// The table of a plugin, in two lines.
pub(crate) const ECHO: &str = "[plugins.echo]\ncomponent = \"echo.wasm\"\n";

/// Parses a configuration in the folder `folder`.
pub(crate) fn parse(text: &str) -> Result<Config, String> {
    let file = Path::new("folder/narrowboat.toml");
    Config::parse(text, file).map_err(|error| error.to_string())
}

/// Asserts that a configuration has an error in a line, and that the message has these words.
#[track_caller]
pub(crate) fn assert_refused(text: &str, line: usize, words: &[&str]) {
    let error = parse(text).unwrap_err();
    let place = format!("folder/narrowboat.toml:{line}:");
    assert!(error.starts_with(&place), "{error:?} does not start with {place}");
    for word in words {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

/// The tenant of the tables at the top of the file.
pub(crate) fn default_tenant(config: &Config) -> &TenantConfig {
    &config.tenants[&Tenant::default_tenant()]
}

/// The names that an error lists as expected instead of an unknown one.
pub(crate) fn expected_names(error: &str) -> BTreeSet<String> {
    let (_, expected) = error.split_once(", expected ").unwrap_or_else(|| panic!("{error}"));
    let listed = expected.lines().next().unwrap();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
