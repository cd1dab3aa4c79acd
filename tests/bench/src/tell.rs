//! What the processes of one run say to each other: a line each, on standard output.

use std::net::SocketAddr;

use serde::Serialize;

/// What a server prints before its address, as `narrowboat serve` does.
pub const LISTENING: &str = "listening on ws://";

/// Tells where a server listens.
pub fn listening(address: SocketAddr) {
    println!("{LISTENING}{address}");
}

/// Tells what a client measured.
pub fn answer(measured: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Tells what befell a connection of a server.
pub fn failed(error: &dyn std::fmt::Display) {
    eprintln!("{error:#}");
}
