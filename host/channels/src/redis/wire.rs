//! Deliveries as bytes that channels_redis 4.3 writes and reads.
//!
//! A wire is `random prefix ‖ body` or `random prefix ‖ Fernet(body)`. The body is a message, as MessagePack or as
//! JSON, with the names it is for under `__asgi_channel__`. Frames, which only Narrowboat sends and only to itself, are
//! a list in place of the map that each message is, so that no consumer can write one.

mod cipher;
mod codec;
mod decoded_delivery;
mod envelope;
mod error;
mod frame;
mod json;
mod packer;
mod wire_address;

pub(crate) use codec::Codec;
#[cfg(test)]
use decoded_delivery::DecodedDelivery;
pub(crate) use error::WireError;
pub(crate) use wire_address::{MAX_ADDRESS_NAMES, WireAddress};

#[cfg(test)]
mod tests;
