//! Deliveries as bytes that channels_redis 4.3 writes and reads.
//!
//! A wire is `random prefix ‖ body` or `random prefix ‖ Fernet(body)`. The body is a message, as MessagePack or as
//! JSON, with the names it is for under `__asgi_channel__`. Frames, which only Narrowboat sends and only to itself, are
//! a list in place of the map that each message is, so that no consumer can write one.

mod address;
mod cipher;
mod codec;
mod envelope;
mod error;
mod frame;
mod json;
mod packer;
mod parcel;

pub(crate) use address::{MAX_NAMES, To};
pub(crate) use codec::Codec;
pub(crate) use error::WireError;
#[cfg(test)]
use parcel::Parcel;

#[cfg(test)]
mod tests;
