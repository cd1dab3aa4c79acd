//! What the processes of one run say to each other, a line each, and to people.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where words go out")]

use std::net::SocketAddr;

use serde::Serialize;

/// What a server prints before its address, as `narrowboat serve` does.
pub(crate) const LISTENING_PREFIX: &str = "listening on ws://";

/// Tells where a server listens.
pub(crate) fn print_listening(address: SocketAddr) {
    println!("{LISTENING_PREFIX}{address}");
}

/// Tells what a client measured.
pub(crate) fn print_json(measured: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Tells what befell a connection of a server.
pub(crate) fn print_error(error: &dyn std::fmt::Display) {
    eprintln!("{error:#}");
}

/// Tells a person what is being done.
pub(crate) fn print_progress(what: &str) {
    eprintln!("{what}");
}

/// Tells a person what came of it.
pub(crate) fn print_report(report: &impl std::fmt::Display) {
    println!("\n{report}");
}
