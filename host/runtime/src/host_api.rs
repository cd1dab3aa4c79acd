//! What a guest may call: each only appends to the effects of its call, or reads.

mod channel_layer;
mod clocks;
mod connections;
pub(crate) mod http;
mod http_error_code;
mod io;
mod keyvalue;
mod logging;
mod random;
