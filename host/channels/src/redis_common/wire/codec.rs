//! The encoding of one layer's deliveries.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::cipher::Cipher;
use super::decoded_delivery::DecodedDelivery;
use super::wire_address::WireAddress;
use super::wire_error::WireError;
use super::{envelope, frame, json_reader, json_writer};
use narrowboat_config::{RedisConfig, Serializer};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;

/// The bytes that the names of a delivery may have together: enough for 100,000 of the longest names.
const MAX_NAMES_BYTES: usize = 16 << 20;

/// The largest factor by which JSON is longer than MessagePack, where `false, ` is one byte.
const JSON_GROWTH_FACTOR: usize = 8;

/// The bytes of a Fernet token beyond four characters for three bytes: a header, padding and a signature.
const TOKEN_OVERHEAD_BYTES: usize = 128;

/// The first characters of a Fernet token: its version, and a time before the year 2106. No body begins so, since it is
/// not a map.
const TOKEN_PREFIX: &[u8] = b"gAAAAA";

/// Encodes and decodes the deliveries of one layer. Has no state beyond its settings.
pub(crate) struct Codec {
    serializer: Serializer,
    cipher: Option<Cipher>,
    random_prefix_length: usize,
    max_message_bytes: usize,
}

impl Codec {
    /// Creates a codec. `random_prefix_length` is the number of random bytes before each body, `token_age` the largest
    /// age of an encrypted body, and `max_message_bytes` the largest size of a decoded message or frame.
    pub(crate) fn new(
        config: &RedisConfig,
        random_prefix_length: usize,
        token_age: Option<Duration>,
        max_message_bytes: usize,
    ) -> Self {
        let cipher = Cipher::new(&config.symmetric_encryption_keys, token_age);
        Self { serializer: config.serializer, cipher, random_prefix_length, max_message_bytes }
    }

    /// Encodes a message with its address. Leaves out what the message itself has under `__asgi_channel__`, since a
    /// consumer must not choose the recipients.
    ///
    /// # Errors
    /// [`WireError::BytesInJson`]. MessagePack has no errors.
    pub(crate) fn encode(
        &self,
        message: &Message,
        to: WireAddress<'_>,
    ) -> Result<Vec<u8>, WireError> {
        let mut wire = self.start_buffer(envelope::max_encoded_bytes(message, to));
        match self.serializer {
            Serializer::Msgpack => envelope::write(&mut wire, message, to)?,
            Serializer::Json => json_writer::write(&mut wire, message, to)?,
        }
        Ok(self.encrypt_body(wire))
    }

    /// Encodes a frame with its address. Only Narrowboat's processes read it.
    pub(crate) fn encode_frame(&self, frame: &Frame, to: WireAddress<'_>) -> Vec<u8> {
        let mut wire = self.start_buffer(frame::max_encoded_bytes(frame, to));
        frame::write(&mut wire, frame, to);
        self.encrypt_body(wire)
    }

    /// Decodes bytes from Redis, where anybody may have written them.
    ///
    /// The message or frame shares the bytes if nothing else does. If there are many names, it is a copy, so as not to
    /// keep them in memory.
    ///
    /// # Errors
    /// Any [`WireError`] but [`WireError::BytesInJson`].
    pub(crate) fn decode(&self, wire: Bytes) -> Result<DecodedDelivery, WireError> {
        let body = self.decrypt_body(wire)?;
        if frame::is_frame(&body) {
            return frame::read(&body, self.max_message_bytes);
        }
        match self.serializer {
            Serializer::Msgpack => envelope::read(body, self.max_message_bytes),
            Serializer::Json => {
                envelope::read(json_reader::read(&body)?.into(), self.max_message_bytes)
            }
        }
    }

    /// Returns a buffer with the random prefix and room for a body of `len` bytes.
    fn start_buffer(&self, len: usize) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.random_prefix_length + len);
        wire.resize(self.random_prefix_length, 0);
        rand::fill(&mut wire[..]);
        wire
    }

    /// Encrypts the body after the prefix, if there are keys.
    fn encrypt_body(&self, mut wire: Vec<u8>) -> Vec<u8> {
        let body = &wire[self.random_prefix_length..];
        if let Some(token) = self.cipher.as_ref().map(|cipher| cipher.encrypt(body)) {
            wire.truncate(self.random_prefix_length);
            wire.extend_from_slice(token.as_bytes());
        }
        wire
    }

    /// Removes the prefix and decrypts the body.
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

    /// Returns an upper limit of the bytes of a valid value.
    fn max_wire_bytes(&self) -> usize {
        let growth = match self.serializer {
            Serializer::Msgpack => 1,
            Serializer::Json => JSON_GROWTH_FACTOR,
        };
        let body = self.max_message_bytes.saturating_mul(growth).saturating_add(MAX_NAMES_BYTES);
        let encrypted = match self.cipher {
            Some(_) => (body / 3).saturating_mul(4).saturating_add(TOKEN_OVERHEAD_BYTES),
            None => body,
        };
        encrypted.saturating_add(self.random_prefix_length)
    }
}
