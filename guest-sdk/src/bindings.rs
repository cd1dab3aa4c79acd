//! Bindings that wit-bindgen generated from `wit/`. They are committed, so that a plugin builds without the generator;
//! `tests/bindings.rs` holds them against the contract and writes them again. Only the export macro is for other crates.
#![allow(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    elided_lifetimes_in_paths,
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated code"
)]

include!("bindings/websocket_consumer.rs");

/// The bindings of workers. They share the imports of consumers.
pub mod worker_world {
    include!("bindings/worker_consumer.rs");
}

/// HTTP requests. A manifest names the hosts before a guest may call them.
pub mod requester_world {
    include!("bindings/requester.rs");
}

/// Interfaces that a guest may call if its manifest requests them and the operator grants them.
pub mod grantable_world {
    include!("bindings/grantable.rs");
}
