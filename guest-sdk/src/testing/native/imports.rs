//! The functions of the host that a plugin calls in a test. Each module has the functions of the bindings with the same
//! name, or of the backend that replaces it.

pub(crate) mod channel_layer;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod http;
pub(crate) mod instance;
pub(crate) mod keyvalue;
pub(crate) mod log;
