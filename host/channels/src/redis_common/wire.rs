//! The encoding of deliveries, which channels_redis 4.3 writes and reads.
//!
//! A value is `random prefix ‖ body` or `random prefix ‖ Fernet(body)`. The body is a message, in MessagePack or JSON,
//! with the names of its recipients under `__asgi_channel__`. Only Narrowboat sends frames, and only to itself. A frame
//! is an array, and a message is a map, so that no consumer can write a frame.

mod cipher;
mod codec;
mod decoded_delivery;
mod envelope;
mod frame;
mod json_reader;
mod json_writer;
mod packer;
mod wire_address;
mod wire_error;

pub(crate) use codec::Codec;
#[cfg(test)]
use decoded_delivery::DecodedDelivery;
pub(crate) use wire_address::{MAX_ADDRESS_NAMES, WireAddress};
pub(crate) use wire_error::WireError;

#[cfg(test)]
mod tests;
