//! Pages of the reference that are generated from the code.

mod admin_api;
mod close_codes;

pub use admin_api::admin_api_reference;
pub use close_codes::close_codes_reference;
