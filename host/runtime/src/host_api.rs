//! The functions that a guest may call. The calls of `narrowboat:consumer` only read, or add effects to the running
//! call.

mod batch_progress;
mod call_time;
mod channel_layer;
mod config;
mod connections;
pub(crate) mod http;
mod http_error_code;
mod instance;
pub(crate) mod io;
pub(crate) mod keyvalue;
mod logging;
pub(crate) mod sockets;
mod stdio;
mod test_host;
