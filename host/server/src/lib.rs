//! The Narrowboat server: it accepts connections, routes them to the plugins of tenants, and answers operators.
//!
//! - [`serve`] accepts sockets until the host stops; `accepted_socket` follows one socket to its end.
//! - [`Host`] owns the tenants, and decides each handshake (`admission`).
//! - `tenants` builds and replaces what a configuration names; `reload` notices changes and applies them.
//! - `auth` knows users of clients and tokens of operators; `admin` is the admin API.

mod accept;
mod accept_error;
mod accepted_socket;
mod admin;
mod admission;
mod auth;
pub mod background_writer;
mod connection_registry;
mod demo;
mod drain;
mod file_problems;
mod handshake_failures;
mod handshake_slot;
mod host;
mod host_engine;
mod host_error;
mod host_mode;
mod host_resources;
mod in_memory_server;
pub mod log_buffer;
mod metrics;
mod page_headers;
mod preflight;
mod reference;
mod reload;
mod server;
mod shutdown_gate;
mod source_check;
mod tenants;
mod tls;

pub use accept::serve;
pub use admin::{AdminServer, api};
pub use auth::{TOKEN_FILE_KEY, TokenError, read_token, users};
pub use host::Host;
pub use host_engine::HostEngine;
pub use host_error::HostError;
pub use host_mode::HostMode;
pub use in_memory_server::InMemoryServer;
pub use metrics::{METRICS, Metric, MetricType, reference as metrics_reference};
pub use preflight::{SystemLimitWarning, preflight};
pub use reference::{admin_api_reference, close_codes_reference, http_responses_reference};
pub use source_check::{SourceCheck, check_source, loader_without_host};
pub use tenants::open_layer;
pub use tls::TlsError;
