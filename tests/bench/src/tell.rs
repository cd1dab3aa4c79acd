//! What the processes of one run say to each other, a line each, and to people.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where words go out")]

use std::net::SocketAddr;

use serde::Serialize;

/// What a server prints before its address, as `narrowboat serve` does.
pub(crate) const LISTENING: &str = "listening on ws://";

/// Tells where a server listens.
pub(crate) fn listening(address: SocketAddr) {
    println!("{LISTENING}{address}");
}

/// Tells what a client measured.
pub(crate) fn answer(measured: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Tells what befell a connection of a server.
pub(crate) fn failed(error: &dyn std::fmt::Display) {
    eprintln!("{error:#}");
}

/// Tells a person what is being done.
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

/// Tells a person what came of it.
pub(crate) fn found(report: &impl std::fmt::Display) {
    println!("\n{report}");
}
