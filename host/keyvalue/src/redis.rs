//! The key-value store in Redis.

mod key_names;
mod operation;
mod operation_health;
mod redis_request;
mod redis_rooms;
mod redis_store;
mod room_scripts;
mod scripts;
mod shared_connection;

pub(super) use redis_store::RedisStore;
