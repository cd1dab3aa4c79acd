//! HTTP requests of plugins: the hosts and addresses that they may reach, and the limits of time and size.
//!
//! The host looks a name up once, checks each of its addresses, and connects to one that passed. So the address cannot
//! change between the check and the connection. The host does not follow redirects: a redirect is another request.

mod connection_task;
mod connector;
mod egress;
mod error;
mod frame_counter;
mod http_target;
mod limited_request_body;
mod limited_response_body;
mod public_address;
mod request_timeouts;
pub mod root_certificates;

pub use connection_task::ConnectionTask;
pub use connector::{ConnectInMemory, RequestHead};
pub use egress::{Egress, allows_private_addresses};
pub use error::EgressError;
pub use limited_response_body::LimitedResponseBody;
pub use public_address::is_public;
pub use request_timeouts::RequestTimeouts;
