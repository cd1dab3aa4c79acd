//! Connections to Redis for the channel layers and the key-value store: servers, sentinels and TLS, and the classes of
//! Redis errors.

mod error_class;
mod redis_client;

pub use error_class::{ErrorClass, find_persistent_error};
pub use redis_client::RedisClient;
