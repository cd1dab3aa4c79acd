//! Every order in which threads may meet in this crate, tried by loom. `cargo test --package narrowboat-sync --features
//! loom --test models`.

#![cfg(feature = "loom")]
#![allow(clippy::unwrap_used, reason = "in a model it is the assertion")]

mod level;
mod slot;
mod wake;
