//! The encoding of frames between Narrowboat's processes: `["narrowboat.frame", names, payload]` in MessagePack, with
//! either serializer.

use bytes::Bytes;
use bytestring::ByteString;

use super::decoded_delivery::{DecodedDelivery, share_or_copy};
use super::packer::Packer;
use super::wire_address::{AddressNames, WireAddress};
use super::wire_error::WireError;
use crate::Delivery;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::{MsgpackReader, Value};

/// The first byte of a frame's body: an array of three. A message begins with a map, or in JSON with a character.
const FRAME_MARKER: u8 = 0x93;

/// The first item of a frame's body.
const FRAME_TAG: &str = "narrowboat.frame";

/// Whether the body is that of a frame.
pub(super) fn is_frame(body: &[u8]) -> bool {
    body.first() == Some(&FRAME_MARKER)
}

/// Returns an upper limit of the bytes of the body.
pub(super) fn max_encoded_bytes(frame: &Frame, to: WireAddress<'_>) -> usize {
    1 + 1 + FRAME_TAG.len() + to.max_encoded_bytes() + 5 + frame.len()
}

/// Appends the body of a frame.
pub(super) fn write(body: &mut Vec<u8>, frame: &Frame, to: WireAddress<'_>) {
    let mut packer = Packer(body);
    packer.array_header(3);
    packer.text(FRAME_TAG);
    to.encode(&mut packer);
    match frame {
        Frame::Text(text) => packer.text(text),
        Frame::Binary(bytes) => packer.bytes(bytes),
    }
}

/// Decodes the body of a frame. The payload may have `max` bytes.
pub(super) fn read(body: &Bytes, max: usize) -> Result<DecodedDelivery, WireError> {
    let mut reader = MsgpackReader::new(body);
    let tag = (reader.value()?, reader.value()?);
    if tag != (Value::List(3), Value::Text(FRAME_TAG)) {
        return Err(WireError::BadFrame);
    }
    let start = reader.at();
    reader.skip_value()?;
    let names = AddressNames::decode(&body.slice(start..reader.at()))?;
    let (is_text, len) = match reader.value()? {
        Value::Text(text) => (true, text.len()),
        Value::Bytes(bytes) => (false, bytes.len()),
        _ => return Err(WireError::BadFrame),
    };
    if reader.remaining() > 0 {
        return Err(WireError::BadFrame);
    }
    if len > max {
        return Err(WireError::FrameTooLarge { len, max });
    }
    let payload = share_or_copy(body, body.len() - len..body.len());
    let frame = if is_text {
        Frame::Text(ByteString::try_from(payload).map_err(|_| WireError::BadFrame)?)
    } else {
        Frame::Binary(payload)
    };
    Ok(DecodedDelivery { delivery: Delivery::Frame(frame), names })
}
