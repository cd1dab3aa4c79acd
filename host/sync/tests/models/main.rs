//! Loom models: they try every order in which threads can interleave in this crate. Run them with
//! `cargo test --package narrowboat-sync --features loom --test models`.

#![cfg(feature = "loom")]
#![allow(clippy::unwrap_used, reason = "in a model it is the assertion")]

mod gauge_limit;
mod handoff_slot;
mod loan_slot;
mod two_queues;
mod wake_mutex;
