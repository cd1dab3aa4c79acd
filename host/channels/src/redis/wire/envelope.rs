//! Messages in MessagePack, with whom they are for put in and taken out.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::address::{ADDRESS, Names, To};
use super::error::WireError;
use super::packer::Packer;
use super::parcel::{Parcel, may_share};
use crate::Delivery;
use narrowboat_core::message::{Message, MessageError, Reader, Value};

/// The longest head of a map.
const HEAD: usize = 5;

/// One pair of a map.
struct Entry {
    /// Key and value.
    whole: Range<usize>,
    /// Where the value starts.
    value: usize,
    /// Whether it says whom the message is for.
    is_address: bool,
}

/// The pairs of a message, one by one.
struct Entries<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let Value::Map(left) = reader.value()? else {
            return Err(MessageError::NotAMap);
        };
        Ok(Self { reader, left })
    }

    fn entry(&mut self) -> Result<Entry, MessageError> {
        let at = self.reader.at();
        let Value::Text(key) = self.reader.value()? else {
            return Err(MessageError::KeyNotString { at });
        };
        let value = self.reader.at();
        self.reader.skip()?;
        Ok(Entry { whole: at..self.reader.at(), value, is_address: key == ADDRESS })
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.entry())
    }
}

/// What stands where in a message.
struct Layout {
    /// How many pairs do not say whom it is for.
    kept: u64,
    /// All pairs.
    pairs: Range<usize>,
    /// How many pairs say whom it is for.
    addresses: u64,
    /// The last of them, which is the one that counts, as in Python.
    address: Option<Entry>,
}

impl Layout {
    fn read(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut entries = Entries::new(bytes)?;
        let all = entries.left;
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
        Ok(Self { kept: all - addresses, pairs, addresses, address })
    }

    /// Appends the pairs that do not say whom the message is for.
    fn copy_kept(&self, bytes: &[u8], packer: &mut Packer<'_>) -> Result<(), MessageError> {
        if self.addresses == 0 {
            packer.packed(&bytes[self.pairs.clone()]);
            return Ok(());
        }
        for entry in Entries::new(bytes)? {
            let Entry { whole, is_address, .. } = entry?;
            if !is_address {
                packer.packed(&bytes[whole]);
            }
        }
        Ok(())
    }

    /// Whether the only pair that says whom it is for is the last, as every known sender writes it.
    fn is_addressed_at_the_end(&self) -> bool {
        let last = |entry: &Entry| entry.whole.end == self.pairs.end;
        self.addresses == 1 && self.address.as_ref().is_some_and(last)
    }
}

/// At most how many bytes the body has.
pub(super) fn room(message: &Message, to: To<'_>) -> usize {
    HEAD + message.len() + ADDRESS.len() + 1 + to.room()
}

/// Appends the body: the message, for whom it is, and nothing that the message itself says about that.
pub(super) fn write(body: &mut Vec<u8>, message: &Message, to: To<'_>) -> Result<(), WireError> {
    let bytes = message.bytes();
    let layout = Layout::read(bytes)?;
    let mut packer = Packer(body);
    packer.map(layout.kept + u64::from(to != To::Key));
    layout.copy_kept(bytes, &mut packer)?;
    if to != To::Key {
        packer.text(ADDRESS);
        to.pack(&mut packer);
    }
    Ok(())
}

/// Reads a body; the message alone may have `max` bytes.
pub(super) fn read(body: Bytes, max: usize) -> Result<Parcel, WireError> {
    let layout = Layout::read(&body)?;
    if layout.pairs.end < body.len() {
        return Err(MessageError::Trailing { at: layout.pairs.end }.into());
    }
    let Some(address) = &layout.address else {
        let delivery = Delivery::Message(Message::parse(body, max)?);
        return Ok(Parcel { delivery, names: None });
    };
    let value = address.value..address.whole.end;
    let names_in = |body: &Bytes| match Names::read(&body.slice(value.clone()))? {
        None => Err(WireError::BadAddress),
        names => Ok(names),
    };
    let (message, names) = match shortened_in_place(body, &layout) {
        Ok((body, message)) => (body.slice(message), names_in(&body)?),
        Err(body) => {
            let names = names_in(&body)?;
            let mut message = Vec::with_capacity(body.len() - address.whole.len());
            let mut packer = Packer(&mut message);
            packer.map(layout.kept);
            layout.copy_kept(&body, &mut packer)?;
            message.shrink_to_fit();
            (message.into(), names)
        }
    };
    Ok(Parcel { delivery: Delivery::Message(Message::parse(message, max)?), names })
}

/// The body with a head, right before the pairs, that does not count the last one, and where the message then stands.
/// Gives the body back where that cannot be: it is shared, or much larger than the message.
fn shortened_in_place(body: Bytes, layout: &Layout) -> Result<(Bytes, Range<usize>), Bytes> {
    let Some(address) = &layout.address else { return Err(body) };
    let len = address.whole.start;
    if !layout.is_addressed_at_the_end() || !may_share(body.len(), len) {
        return Err(body);
    }
    let mut body: BytesMut = body.try_into_mut()?;
    let mut head = Vec::with_capacity(HEAD);
    Packer(&mut head).map(layout.kept);
    // One pair less never takes a longer head.
    let start = layout.pairs.start - head.len();
    body[start..layout.pairs.start].copy_from_slice(&head);
    Ok((body.freeze(), start..len))
}
