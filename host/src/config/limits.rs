//! `[limits]`: bounds of the host, and defaults of its plugins.

use serde::Deserialize;

use crate::units::{ByteSize, Span};

/// Every bound the operator may move. Nothing in the host is unbounded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sockets at a time; one more is answered 503.
    pub max_connections: usize,
    /// From accept to the 101, the consumer's decision included.
    pub handshake_timeout: Span,
    /// A ping goes out when nothing was heard for so long.
    pub keepalive: Span,
    /// The connection ends when nothing, not even a pong, was heard for so long.
    pub idle_timeout: Span,
    /// How long the peer has to answer a Close frame.
    pub close_timeout: Span,
    /// How long a stopping host waits for its sockets.
    pub shutdown_grace: Span,
    /// The largest message of a client, all fragments together; a route may set its own.
    pub max_message: ByteSize,
    /// The largest single frame of a client.
    pub max_frame: ByteSize,
    /// Bytes waiting for one socket before the plugin's `overflow` policy acts.
    pub outbound_queue: ByteSize,
    /// Linear memory of one instance; a plugin may have less.
    pub memory: ByteSize,
    /// Running time of one call for a connection, in whole milliseconds; a plugin may have less.
    pub call_time: Span,
    /// Running time of a worker with one message, in whole milliseconds; a plugin may have less.
    pub worker_time: Span,
    /// Threads for calls that are not short; 0 means two a core.
    pub guest_threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            handshake_timeout: Span::seconds(10),
            keepalive: Span::seconds(20),
            idle_timeout: Span::seconds(60),
            close_timeout: Span::seconds(5),
            shutdown_grace: Span::seconds(10),
            max_message: ByteSize::mib(1),
            max_frame: ByteSize::mib(1),
            outbound_queue: ByteSize::mib(1),
            memory: ByteSize::mib(64),
            call_time: Span::millis(100),
            worker_time: Span::seconds(10),
            guest_threads: 0,
        }
    }
}

/// wasm32 addresses no more.
const MAX_MEMORY: ByteSize = ByteSize::mib(4096);

/// The pool of instances is reserved up front; past this the address space is.
const MAX_CONNECTIONS: usize = 1_000_000;

impl Limits {
    /// Finds the first limit that cannot work: its key and what would be right.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let spans = [
            ("handshake_timeout", self.handshake_timeout),
            ("keepalive", self.keepalive),
            ("idle_timeout", self.idle_timeout),
            ("close_timeout", self.close_timeout),
            ("call_time", self.call_time),
            ("worker_time", self.worker_time),
        ];
        for (key, span) in spans {
            if span < Span::millis(1) {
                return Err((key, "must be at least 1ms".to_owned()));
            }
        }
        let sizes = [
            ("max_message", self.max_message),
            ("max_frame", self.max_frame),
            ("outbound_queue", self.outbound_queue),
            ("memory", self.memory),
        ];
        for (key, size) in sizes {
            if size.bytes() == 0 {
                return Err((key, "must be more than 0 bytes".to_owned()));
            }
        }
        if self.memory > MAX_MEMORY {
            return Err(("memory", format!("must be at most {MAX_MEMORY}")));
        }
        if self.idle_timeout <= self.keepalive {
            let problem = format!(
                "{} must be longer than keepalive ({}), or no ping could be answered in time",
                self.idle_timeout, self.keepalive
            );
            return Err(("idle_timeout", problem));
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.max_connections) {
            return Err(("max_connections", format!("must be 1 to {MAX_CONNECTIONS}")));
        }
        Ok(())
    }
}
