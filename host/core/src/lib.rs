//! Types and rules that every crate of the host shares: names, messages, frames, capabilities, manifests and small
//! tools. This crate opens no sockets and runs no guests: it does not depend on tokio, hyper or wasmtime.

pub mod answer;
pub mod atomic_file;
pub mod capabilities;
pub mod closure;
pub mod component;
pub mod fault;
pub mod fields;
pub mod frame;
pub mod glob;
pub mod hash;
pub mod log_target;
pub mod manifest;
pub mod message;
pub mod name;
pub mod origin;
pub mod scope;
pub mod times;
pub mod trust;
pub mod units;
pub mod waking;
