//! Pages of the reference that are generated from the code.

mod admin_api;
mod close_codes;
mod http_responses;

pub use admin_api::admin_api_reference;
pub use close_codes::close_codes_reference;
pub use http_responses::http_responses_reference;
