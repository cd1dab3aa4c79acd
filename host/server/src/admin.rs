//! The admin API, on a listener of its own: a JSON API behind tokens, two probes, metrics and a dashboard.

mod admin_server;
mod admin_state;
pub mod api;
mod api_error;
mod authorized;
mod concurrency;
mod config_reload;
mod connections;
mod deploy_outcome;
mod drain;
mod extract;
mod keyvalue;
mod keyvalue_file;
mod logs;
mod page;
mod plugins;
mod publish;
mod request_origin;
mod rooms;
mod routes;
mod status;
mod text_body;
mod upload;

pub use admin_server::AdminServer;
pub(crate) use routes::openapi_document;
