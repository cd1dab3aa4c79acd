//! Frames, as Narrowboat's processes send them to each other: `["narrowboat.frame", names, payload]` in MessagePack,
//! whatever the serializer.

use bytes::Bytes;
use bytestring::ByteString;

use super::address::{Names, To};
use super::error::WireError;
use super::packer::Packer;
use super::parcel::{Parcel, payload};
use crate::Delivery;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::{Reader, Value};

/// The first byte of a frame's body: a list of three. A message begins with a map, or in JSON with text.
const MARK: u8 = 0x93;

/// What a frame begins with.
const TAG: &str = "narrowboat.frame";

/// Whether the body is a frame's.
pub(super) fn is_frame(body: &[u8]) -> bool {
    body.first() == Some(&MARK)
}

/// At most how many bytes the body has.
pub(super) fn room(frame: &Frame, to: To<'_>) -> usize {
    1 + 1 + TAG.len() + to.room() + 5 + frame.len()
}

/// Appends the body.
pub(super) fn write(body: &mut Vec<u8>, frame: &Frame, to: To<'_>) {
    let mut packer = Packer(body);
    packer.list(3);
    packer.text(TAG);
    to.pack(&mut packer);
    match frame {
        Frame::Text(text) => packer.text(text),
        Frame::Binary(bytes) => packer.bytes(bytes),
    }
}

/// Reads a body that [`is_frame`].
pub(super) fn read(body: &Bytes, max: usize) -> Result<Parcel, WireError> {
    let mut reader = Reader::new(body);
    let tag = (reader.value()?, reader.value()?);
    if tag != (Value::List(3), Value::Text(TAG)) {
        return Err(WireError::BadFrame);
    }
    let start = reader.at();
    reader.skip()?;
    let names = Names::read(&body.slice(start..reader.at()))?;
    let (is_text, len) = match reader.value()? {
        Value::Text(text) => (true, text.len()),
        Value::Bytes(bytes) => (false, bytes.len()),
        _ => return Err(WireError::BadFrame),
    };
    if reader.left() > 0 {
        return Err(WireError::BadFrame);
    }
    if len > max {
        return Err(WireError::FrameTooLarge { len, max });
    }
    let payload = payload(body, body.len() - len..body.len());
    let frame = if is_text {
        Frame::Text(ByteString::try_from(payload).map_err(|_| WireError::BadFrame)?)
    } else {
        Frame::Binary(payload)
    };
    Ok(Parcel { delivery: Delivery::Frame(frame), names })
}
