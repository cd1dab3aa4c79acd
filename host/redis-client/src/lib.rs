//! Connections to Redis: servers, sentinels, TLS, and what an error of Redis is about. The channel layers and the
//! key-value store share it.

mod error_class;
mod redis_client;

pub use error_class::{ErrorClass, find_persistent_error};
pub use redis_client::RedisClient;
