//! The encoding of messages in MessagePack: adding and removing the address.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::decoded_delivery::{DecodedDelivery, may_share};
use super::packer::Packer;
use super::wire_address::{ADDRESS_KEY, AddressNames, WireAddress};
use super::wire_error::WireError;
use crate::Delivery;
use narrowboat_core::message::{Message, MessageError, MsgpackReader, Value};

/// The longest header of a map.
const MAX_MAP_HEADER_BYTES: usize = 5;

/// One pair of a map.
struct MapEntry {
    /// Key and value.
    range: Range<usize>,
    /// Where the value starts.
    value_start: usize,
    /// Whether the pair is the address.
    is_address: bool,
}

/// An iterator over the pairs of a message.
struct MapEntries<'a> {
    reader: MsgpackReader<'a>,
    remaining_count: u64,
}

impl<'a> MapEntries<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = MsgpackReader::new(bytes);
        let Value::Map(remaining_count) = reader.value()? else {
            return Err(MessageError::NotAMap);
        };
        Ok(Self { reader, remaining_count })
    }

    fn next_entry(&mut self) -> Result<MapEntry, MessageError> {
        let at = self.reader.at();
        let Value::Text(key) = self.reader.value()? else {
            return Err(MessageError::KeyNotString { at });
        };
        let value_start = self.reader.at();
        self.reader.skip_value()?;
        Ok(MapEntry { range: at..self.reader.at(), value_start, is_address: key == ADDRESS_KEY })
    }
}

impl Iterator for MapEntries<'_> {
    type Item = Result<MapEntry, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining_count = self.remaining_count.checked_sub(1)?;
        Some(self.next_entry())
    }
}

/// The positions of the pairs in a message.
struct MessageLayout {
    /// The number of pairs that are not the address.
    kept_count: u64,
    /// The bytes of all pairs.
    pairs_range: Range<usize>,
    /// The number of pairs that are an address.
    address_count: u64,
    /// The last address, which is the one that counts, as in Python.
    address: Option<MapEntry>,
}

impl MessageLayout {
    fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut entries = MapEntries::new(bytes)?;
        let all = entries.remaining_count;
        let start = entries.reader.at();
        let (mut addresses, mut address) = (0, None);
        for entry in entries.by_ref() {
            let entry = entry?;
            if entry.is_address {
                addresses += 1;
                address = Some(entry);
            }
        }
        let pairs = start..entries.reader.at();
        Ok(Self {
            kept_count: all - addresses,
            pairs_range: pairs,
            address_count: addresses,
            address,
        })
    }

    /// Appends the pairs that are not the address.
    fn copy_without_address(
        &self,
        bytes: &[u8],
        packer: &mut Packer<'_>,
    ) -> Result<(), MessageError> {
        if self.address_count == 0 {
            packer.raw(&bytes[self.pairs_range.clone()]);
            return Ok(());
        }
        for entry in MapEntries::new(bytes)? {
            let MapEntry { range, is_address, .. } = entry?;
            if !is_address {
                packer.raw(&bytes[range]);
            }
        }
        Ok(())
    }

    /// Whether the message has one address, as the last pair. Every known sender writes it so.
    fn has_trailing_address(&self) -> bool {
        let last = |entry: &MapEntry| entry.range.end == self.pairs_range.end;
        self.address_count == 1 && self.address.as_ref().is_some_and(last)
    }
}

/// Returns an upper limit of the bytes of the body.
pub(super) fn max_encoded_bytes(message: &Message, to: WireAddress<'_>) -> usize {
    MAX_MAP_HEADER_BYTES + message.len() + ADDRESS_KEY.len() + 1 + to.max_encoded_bytes()
}

/// Appends the body: the message without any address of its own, and the address `to`.
pub(super) fn write(
    body: &mut Vec<u8>,
    message: &Message,
    to: WireAddress<'_>,
) -> Result<(), WireError> {
    let bytes = message.bytes();
    let layout = MessageLayout::parse(bytes)?;
    let mut packer = Packer(body);
    packer.map_header(layout.kept_count + u64::from(to != WireAddress::Implicit));
    layout.copy_without_address(bytes, &mut packer)?;
    if to != WireAddress::Implicit {
        packer.text(ADDRESS_KEY);
        to.encode(&mut packer);
    }
    Ok(())
}

/// Decodes a body. The message without its address may have `max` bytes.
pub(super) fn read(body: Bytes, max: usize) -> Result<DecodedDelivery, WireError> {
    let layout = MessageLayout::parse(&body)?;
    if layout.pairs_range.end < body.len() {
        return Err(MessageError::TrailingBytes { at: layout.pairs_range.end }.into());
    }
    let Some(address) = &layout.address else {
        let delivery = Delivery::Message(Message::parse(body, max)?);
        return Ok(DecodedDelivery { delivery, names: None });
    };
    let value = address.value_start..address.range.end;
    let names_in = |body: &Bytes| match AddressNames::decode(&body.slice(value.clone()))? {
        None => Err(WireError::BadAddress),
        names => Ok(names),
    };
    let (message, names) = match strip_address_in_place(body, &layout) {
        Ok((body, message)) => (body.slice(message), names_in(&body)?),
        Err(body) => {
            let names = names_in(&body)?;
            let mut message = Vec::with_capacity(body.len() - address.range.len());
            let mut packer = Packer(&mut message);
            packer.map_header(layout.kept_count);
            layout.copy_without_address(&body, &mut packer)?;
            message.shrink_to_fit();
            (message.into(), names)
        }
    };
    Ok(DecodedDelivery { delivery: Delivery::Message(Message::parse(message, max)?), names })
}

/// Removes a trailing address without a copy, by writing a new header right before the pairs. Returns the body and the
/// range of the message in it.
///
/// # Errors
/// Returns the body if that is impossible: the address is not the last pair, or the body is shared or much larger than
/// the message.
fn strip_address_in_place(
    body: Bytes,
    layout: &MessageLayout,
) -> Result<(Bytes, Range<usize>), Bytes> {
    let Some(address) = &layout.address else { return Err(body) };
    let len = address.range.start;
    if !layout.has_trailing_address() || !may_share(body.len(), len) {
        return Err(body);
    }
    let mut body: BytesMut = body.try_into_mut()?;
    let mut head = Vec::with_capacity(MAX_MAP_HEADER_BYTES);
    Packer(&mut head).map_header(layout.kept_count);
    // A header for one pair less is never longer.
    let start = layout.pairs_range.start - head.len();
    body[start..layout.pairs_range.start].copy_from_slice(&head);
    Ok((body.freeze(), start..len))
}
