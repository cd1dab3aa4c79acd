//! Tests of the encoding. The bytes from Python were written by channels_redis 4.3.0, msgpack 1 and cryptography.

mod frames;
mod golden;
mod hostile;
mod round_trip;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::Delivery;
use narrowboat_config::{RedisConfig, Secret, Serializer};
use narrowboat_core::message::{Message, MessageError};

const MAX: usize = 1 << 20;

/// `{"type":"chat.message","b":b"\0","u":"é","i":-1,"f":1.5,"t":True,"n":None,"l":[1]}`, without its header.
const PAIRS: &[u8] = b"\xa4type\xacchat.message\xa1b\xc4\x01\0\xa1u\xa2\xc3\xa9\xa1i\xff\
\xa1f\xcb\x3f\xf8\0\0\0\0\0\0\xa1t\xc3\xa1n\xc0\xa1l\x91\x01";

fn codec_with(serializer: Serializer, keys: &[&str], prefix: usize, age: Option<u64>) -> Codec {
    let config = RedisConfig {
        hosts: Vec::new(),
        prefix: "asgi".to_owned(),
        symmetric_encryption_keys: keys.iter().map(|key| Secret::from((*key).to_owned())).collect(),
        serializer,
        random_prefix_length: prefix,
    };
    Codec::new(&config, prefix, age.map(Duration::from_secs), MAX)
}

/// A codec without prefix and keys.
fn plain(serializer: Serializer) -> Codec {
    codec_with(serializer, &[], 0, None)
}

fn message(parts: &[&[u8]]) -> Message {
    Message::parse(parts.concat().into(), MAX).unwrap()
}

fn decode(codec: &Codec, wire: &[u8]) -> Result<DecodedDelivery, WireError> {
    codec.decode(Bytes::copy_from_slice(wire))
}

/// Returns the message and the names of its recipients.
fn opened(decoded: &DecodedDelivery) -> (&Message, Vec<&str>) {
    let Delivery::Message(message) = &decoded.delivery else { panic!("{decoded:?} is a message") };
    (message, decoded.names().collect())
}
