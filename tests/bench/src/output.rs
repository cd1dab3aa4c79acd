//! The output of the processes of a run: lines for other processes of the run, and reports for people.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where words go out")]

use std::net::SocketAddr;

use serde::Serialize;

/// The prefix of a server's address in its output, as `narrowboat serve` prints it.
pub(crate) const LISTENING_PREFIX: &str = "listening on ws://";

/// Prints the address of a server.
pub(crate) fn print_listening(address: SocketAddr) {
    println!("{LISTENING_PREFIX}{address}");
}

/// Prints the measurement of a client as JSON.
pub(crate) fn print_json(measured: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Prints an error of a server's connection.
pub(crate) fn print_error(error: &dyn std::fmt::Display) {
    eprintln!("{error:#}");
}

/// Prints progress for people.
pub(crate) fn print_progress(what: &str) {
    eprintln!("{what}");
}

/// Prints the report for people.
pub(crate) fn print_report(report: &impl std::fmt::Display) {
    println!("\n{report}");
}
