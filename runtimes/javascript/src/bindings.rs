//! Bindings that wit-bindgen generated from `wit/`. `guest-sdk/tests/bindings.rs` checks that they match the contract, and
//! updates them.
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

include!("bindings/source_runtime.rs");
