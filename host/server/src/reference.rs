//! Pages of the reference that are generated from the code.

mod admin_api;

pub use admin_api::admin_api_reference;
