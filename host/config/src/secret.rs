//! Secrets of the configuration: passwords, keys and tokens, and where they come from.

mod secret_error;
mod secret_reader;
mod secret_source;
mod secret_store;
mod secret_text;
mod secret_value;

pub use secret_error::SecretError;
pub use secret_source::SecretSource;
pub use secret_store::{SecretChanges, SecretStore};
pub use secret_text::SecretText;
pub use secret_value::Secret;
