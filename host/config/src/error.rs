//! Errors of a configuration: the place, the key, the problem and what to write instead.

mod closest_match;
mod config_error;
mod locator;
mod serde_message;

pub use closest_match::closest_match;
pub use config_error::{ConfigError, SourceLocation};

pub(super) use locator::{Locator, SECRET_FORMS};
