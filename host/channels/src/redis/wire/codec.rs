//! How the deliveries of one layer become bytes and back.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::cipher::Cipher;
use super::decoded_delivery::DecodedDelivery;
use super::error::WireError;
use super::wire_address::WireAddress;
use super::{envelope, frame, json};
use narrowboat_config::{RedisConfig, Serializer};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;

/// How many bytes the names of a delivery may take together: 100,000 of the longest with room to spare.
const MAX_NAMES_BYTES: usize = 16 << 20;

/// How many times as long as MessagePack JSON can be: `false, ` is one byte there.
const JSON_GROWTH_FACTOR: usize = 8;

/// What a Fernet token has beyond four characters for three bytes: a head, padding and a signature.
const TOKEN_OVERHEAD_BYTES: usize = 128;

/// What a Fernet token begins with: its version, and a time before the year 2106. No body does, since it is no map.
const TOKEN_PREFIX: &[u8] = b"gAAAAA";

/// How the deliveries of one layer become bytes and back. It holds no state beyond its settings.
pub(crate) struct Codec {
    serializer: Serializer,
    cipher: Option<Cipher>,
    random_prefix_length: usize,
    max_message_bytes: usize,
}

impl Codec {
    /// `random_prefix` is how many random bytes each wire begins with, `token_age` how old an encrypted one may be, and
    /// `max_message` how many bytes a message or a frame's payload may have once it is decoded.
    pub(crate) fn new(
        config: &RedisConfig,
        random_prefix_length: usize,
        token_age: Option<Duration>,
        max_message_bytes: usize,
    ) -> Self {
        let cipher = Cipher::new(&config.symmetric_encryption_keys, token_age);
        Self { serializer: config.serializer, cipher, random_prefix_length, max_message_bytes }
    }

    /// The bytes of a message for whom it is. What the message itself has under `__asgi_channel__` is left out, since
    /// a consumer may not say whom it writes to.
    ///
    /// # Errors
    /// [`WireError::BytesInJson`], and none with MessagePack.
    pub(crate) fn encode(
        &self,
        message: &Message,
        to: WireAddress<'_>,
    ) -> Result<Vec<u8>, WireError> {
        let mut wire = self.start_buffer(envelope::max_encoded_bytes(message, to));
        match self.serializer {
            Serializer::Msgpack => envelope::write(&mut wire, message, to)?,
            Serializer::Json => json::write(&mut wire, message, to)?,
        }
        Ok(self.encrypt_body(wire))
    }

    /// The bytes of a frame for whom it is. Only Narrowboat's processes read them.
    pub(crate) fn encode_frame(&self, frame: &Frame, to: WireAddress<'_>) -> Vec<u8> {
        let mut wire = self.start_buffer(frame::max_encoded_bytes(frame, to));
        frame::write(&mut wire, frame, to);
        self.encrypt_body(wire)
    }

    /// What bytes say that came from Redis, where anybody may have written them.
    ///
    /// Where they are nobody else's, a message or frame shares them; with many names it is copied, so as not to keep
    /// these.
    ///
    /// # Errors
    /// Says what they are not.
    pub(crate) fn decode(&self, wire: Bytes) -> Result<DecodedDelivery, WireError> {
        let body = self.decrypt_body(wire)?;
        if frame::is_frame(&body) {
            return frame::read(&body, self.max_message_bytes);
        }
        match self.serializer {
            Serializer::Msgpack => envelope::read(body, self.max_message_bytes),
            Serializer::Json => envelope::read(json::read(&body)?.into(), self.max_message_bytes),
        }
    }

    /// The random prefix, with room for a body of `len` bytes.
    fn start_buffer(&self, len: usize) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.random_prefix_length + len);
        wire.resize(self.random_prefix_length, 0);
        rand::fill(&mut wire[..]);
        wire
    }

    /// Encrypts what follows the prefix, if there are keys.
    fn encrypt_body(&self, mut wire: Vec<u8>) -> Vec<u8> {
        let body = &wire[self.random_prefix_length..];
        if let Some(token) = self.cipher.as_ref().map(|cipher| cipher.encrypt(body)) {
            wire.truncate(self.random_prefix_length);
            wire.extend_from_slice(token.as_bytes());
        }
        wire
    }

    /// The body, without prefix and encryption.
    fn decrypt_body(&self, mut wire: Bytes) -> Result<Bytes, WireError> {
        let (len, prefix, max) = (wire.len(), self.random_prefix_length, self.max_wire_bytes());
        if len < prefix {
            return Err(WireError::TooShort { len, prefix });
        }
        if len > max {
            return Err(WireError::TooLarge { len, max });
        }
        wire.advance(prefix);
        match &self.cipher {
            Some(cipher) => cipher.decrypt(&wire).map(Bytes::from),
            None if wire.starts_with(TOKEN_PREFIX) => Err(WireError::Encrypted),
            None => Ok(wire),
        }
    }

    /// How many bytes the largest lawful wire has at most.
    fn max_wire_bytes(&self) -> usize {
        let growth = match self.serializer {
            Serializer::Msgpack => 1,
            Serializer::Json => JSON_GROWTH_FACTOR,
        };
        let body = self.max_message_bytes.saturating_mul(growth).saturating_add(MAX_NAMES_BYTES);
        let sealed = match self.cipher {
            Some(_) => (body / 3).saturating_mul(4).saturating_add(TOKEN_OVERHEAD_BYTES),
            None => body,
        };
        sealed.saturating_add(self.random_prefix_length)
    }
}
