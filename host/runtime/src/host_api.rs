//! The functions that a guest may call. The calls of `narrowboat:consumer` only read, or add effects to the running
//! call.

mod channel_layer;
mod clocks;
mod connections;
pub(crate) mod http;
mod http_error_code;
mod io;
mod keyvalue;
mod logging;
mod random;
