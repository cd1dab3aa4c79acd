//! Types and rules that every crate of the host shares: names, messages, frames, capabilities, manifests and small
//! tools. This crate opens no sockets and runs no guests, so it does not depend on tokio, hyper or wasmtime.

pub mod alarm_time;
pub mod atomic_file;
pub mod boot_clock;
pub mod capabilities;
pub mod close_frame;
pub mod component;
pub mod deferred_flush;
pub mod deferred_wake;
pub mod fault;
pub mod flush_after_poll;
pub mod folder_path;
pub mod frame;
pub mod fs_ownership;
pub mod glob;
pub mod handshake_response;
pub mod header_list;
pub mod histogram;
pub mod host_close;
pub mod http_fields;
pub mod log_target;
pub mod manifest;
pub mod message;
pub mod name;
pub mod origin;
pub mod outage_log;
pub mod plugin_file;
pub mod plugin_settings;
pub mod regular_file;
pub mod room_name;
pub mod room_template;
pub mod scope;
pub mod self_wake;
pub mod sha256_digest;
pub mod source_bundle;
pub mod striped;
pub mod units;
#[cfg(test)]
mod wake_counter;
pub mod warn_limiter;
