//! Runs the tests of a plugin, for `narrowboat test`.
//!
//! A test talks to a [`TestHost`]: a host with real routes, sessions, groups and rollouts, whose connections are in the
//! memory of this process and whose clock stands still until the test advances it. After each request of the test, the host
//! runs until nothing is left to do.
//!
//! - [`TestPlugin`] is the plugin under test, with the configuration that serves it.
//! - `request`, `reply`: the protocol between a test and its host.
//! - `simulated_host`: what a host does for a test; `test_client`, `test_channel`, `fake_web`, `log_capture` are its parts.
//! - `virtual_clock`, `idle_watch`: the time of the host, and when nothing is left to do.
//! - [`TestSuite`]: the tests of a plugin, in Rust or in the language of a source plugin.

mod config_changes;
mod crate_suite;
mod fake_web;
mod idle_watch;
mod log_capture;
mod reply;
mod request;
mod simulated_host;
mod source_suite;
mod test_channel;
mod test_client;
mod test_host;
mod test_kit_error;
mod test_plugin;
mod test_result;
mod test_socket;
mod test_suite;
mod virtual_clock;

pub use log_capture::LogCapture;
pub use narrowboat_runtime::TestFailure;
pub use test_host::TestHost;
pub use test_kit_error::TestKitError;
pub use test_plugin::{TestPlugin, find_plugins};
pub use test_result::{TestEnd, TestResult};
pub use test_suite::TestSuite;
