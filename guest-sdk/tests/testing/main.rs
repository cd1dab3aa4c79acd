//! Tests of `narrowboat_guest::testing`: the host that a test of a plugin has in its process.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod channels;
mod config;
mod faults;
mod handshakes;
mod http;
mod instances;
mod keyvalue;
mod outside;
mod remote;
mod rooms;
mod swaps;
mod timers;
mod workers;
