//! Bindings that wit-bindgen generated from `wit/`. They are committed, so a plugin builds without the generator.
//! `tests/bindings.rs` checks that they match the contract, and updates them. Other crates use only the export macros.
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

include!("bindings/full_consumer.rs");

/// The bindings of workers. They use the imports of the consumers' bindings.
pub mod worker_world {
    include!("bindings/worker_consumer.rs");
}

/// The bindings of HTTP requests. The manifest lists the hosts that a guest may call.
pub mod requester_world {
    include!("bindings/requester.rs");
}

/// The bindings of the interfaces that a guest may call if its manifest requests them and the operator grants them.
pub mod grantable_world {
    include!("bindings/grantable.rs");
}
