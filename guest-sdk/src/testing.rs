//! Tests of plugins, without sockets and without a running host. In Django Channels: `channels.testing`.
//!
//! A test creates a [`Host`], connects a [`Communicator`] to the plugin, and checks the frames that it receives:
//!
//! ```
//! use narrowboat_guest::prelude::*;
//! use narrowboat_guest::testing::Host;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Echo;
//!
//! impl Consumer for Echo {
//!     type Message = NoMessage;
//!
//!     fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
//!         Ok(accept(Echo))
//!     }
//!
//!     fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
//!         Ok(connection.send(frame)?)
//!     }
//! }
//!
//! let host = Host::new::<Echo>();
//! let client = host.connect("/echo/").unwrap();
//! client.send_to("hello");
//! assert_eq!(client.receive_text_from(), "hello");
//! assert!(client.receive_nothing());
//! ```
//!
//! The same test runs in two ways:
//!
//! - `cargo test` compiles the plugin for your own machine. The host is in the process of the test.
//! - `narrowboat test` also compiles the plugin to WebAssembly and runs it in the sandbox of a real host. The test talks
//!   to that host.
//!
//! They differ in this way:
//!
//! | | `cargo test` | `narrowboat test` |
//! |---|---|---|
//! | routes | none: the test sets captures with [`ConnectRequest::url_route`] | those of the configuration |
//! | scope | the headers of the test; fixed addresses | as in production |
//! | capabilities | all are granted | those that `plugin.toml` requests |
//! | time of a call, memory, quotas, sizes of frames and messages | not limited | limited |
//! | a static that is not of `thread_local!` | one value for all instances and all tests | one value for each instance |
//! | a panic | the destructors of the consumers run | the instance ends without them |
//! | ticks of workers | none: the test sends `worker.tick` with [`Host::send`] | at their interval, as the clock advances |
//! | another version | [`Host::swap`], [`Host::swap_to`] | [`Host::swap`], [`Host::swap_to_component`] |
//! | its trial | with all connections; one that cannot move refuses the version | with one connection; `on_failed_move` decides about the others |
//!
//! This module does not exist on WebAssembly.

mod backend;
mod channel;
mod channel_event;
mod communicator;
mod connect_request;
mod event_queue;
mod failure;
mod fake_server;
mod handshake;
mod host;
mod host_builder;
mod key_value_bucket;
mod log_line;
pub(crate) mod native;
mod received;
#[cfg(unix)]
mod remote;
mod swap_report;

pub use channel::Channel;
pub use channel_event::ChannelEvent;
pub use communicator::Communicator;
pub use connect_request::ConnectRequest;
pub use fake_server::{FakeResponse, RequestFailure, RequestRule, SentRequest};
pub use handshake::{Handshake, Rejection};
pub use host::Host;
pub use host_builder::HostBuilder;
pub use key_value_bucket::KeyValueBucket;
pub use log_line::LogLine;
pub use received::Received;
pub use swap_report::SwapReport;
