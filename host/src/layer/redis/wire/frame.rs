//! Frames on their way to other processes: `["narrowboat.frame", [names], payload]`, in MessagePack whatever the
//! serializer. It is a list, so that no message, which is a map, can be taken for one.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use rmp::{Marker, decode, encode};

use super::{list, list_head, text};
use crate::frame::Frame;

/// What the list begins with.
const KIND: &str = "narrowboat.frame";

pub(super) fn encode(frame: &Frame, names: &[String]) -> Vec<u8> {
    let names_len: usize = names.iter().map(|name| name.len() + 2).sum();
    let mut body = Vec::with_capacity(frame.len() + names_len + 32);
    list_head(&mut body, 3);
    text(&mut body, KIND);
    list(&mut body, names);
    match frame {
        Frame::Text(payload) => text(&mut body, payload),
        Frame::Binary(payload) => {
            // Writing into a Vec cannot fail.
            let _ = encode::write_bin(&mut body, payload);
        }
    }
    body
}

/// Whether bytes begin as a frame does.
pub(super) fn is_frame(body: &[u8]) -> bool {
    body.first().map(|first| Marker::from_u8(*first)) == Some(Marker::FixArray(3))
}

/// The frame, and where in the body the names stand.
pub(super) fn decode(body: &Bytes) -> Option<(Frame, Vec<Range<usize>>)> {
    let mut reader = Reader { body, at: 1 };
    let kind = reader.text()?;
    if &body[kind] != KIND.as_bytes() {
        return None;
    }
    let count = reader.head(decode::read_array_len)? as usize;
    // A name is a byte at least, so a length that cannot be true is told here.
    if count > body.len() - reader.at {
        return None;
    }
    let names = (0..count).map(|_| reader.text()).collect::<Option<Vec<_>>>()?;
    let payload = match Marker::from_u8(*body.get(reader.at)?) {
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let len = reader.head(decode::read_bin_len)?;
            Frame::Binary(body.slice(reader.take(len)?))
        }
        _ => Frame::Text(ByteString::try_from(body.slice(reader.text()?)).ok()?),
    };
    (reader.at == body.len()).then_some((payload, names))
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn head<E>(&mut self, read: fn(&mut &'a [u8]) -> Result<u32, E>) -> Option<u32> {
        let mut rest = self.body.get(self.at..)?;
        let len = read(&mut rest).ok()?;
        self.at = self.body.len() - rest.len();
        Some(len)
    }

    fn text(&mut self) -> Option<Range<usize>> {
        let len = self.head(decode::read_str_len)?;
        self.take(len)
    }

    fn take(&mut self, len: u32) -> Option<Range<usize>> {
        let end = self.at.checked_add(len as usize)?;
        let taken = (end <= self.body.len()).then_some(self.at..end);
        self.at = end;
        taken
    }
}
