//! Connections to Redis: servers, sentinels, TLS, and what an error of Redis is about. The channel layers and the
//! key-value store share it.

mod error_class;
mod server;
mod warn_limiter;

pub use error_class::{ErrorClass, lasting_error};
pub use server::Server as RedisHostClient;
pub use warn_limiter::WarnLimiter;
