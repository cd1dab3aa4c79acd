//! Tests of the encoding. The bytes from Python were written by channels_redis 4.3.0, msgpack 1 and cryptography.

mod frames;
mod golden;
mod hostile;
mod round_trip;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::Delivery;
use narrowboat_config::{Config, LayerBackend, RedisConfig, Secret, SecretStore, Serializer};
use narrowboat_core::message::{Message, MessageError};
use narrowboat_core::name::Tenant;

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

#[test]
fn after_a_key_has_changed_the_key_before_still_decrypts() {
    let folder = tempfile::tempdir().unwrap();
    let (key, secrets) = (folder.path().join("key"), SecretStore::reading());
    std::fs::write(&key, "old").unwrap();
    let text = "[layer]\nbackend = \"redis\"\nsymmetric_encryption_keys = [{ file = \"key\" }]\n";
    let config = Config::parse_with(text, &folder.path().join("narrowboat.toml"), &secrets);
    let config = config.unwrap();
    let layer = &config.tenants[&Tenant::default_tenant()].layers["default"];
    let LayerBackend::Redis(redis) = &layer.backend else { panic!("{layer:?}") };
    let codec = Codec::new(redis, 0, None, MAX);
    let message = message(&[b"\x88", PAIRS]);
    let encode = || codec.encode(&message, WireAddress::Implicit).unwrap();
    let before = encode();
    std::fs::write(&key, "new").unwrap();
    // A change counts once two looks in a row agree.
    assert_eq!(secrets.refresh().unsettled.len(), 1);
    assert_eq!(secrets.refresh().changed.len(), 1);
    let after = encode();
    assert_eq!(opened(&decode(&codec, &before).unwrap()).0, &message);
    let new = codec_with(Serializer::Msgpack, &["new"], 0, None);
    assert_eq!(opened(&decode(&new, &after).unwrap()).0, &message);
    assert!(matches!(decode(&new, &before), Err(WireError::Undecryptable)));
}
