//! Writing MessagePack, each value in its smallest form, as Python's `msgpack.packb` does.

use std::io::Write;

use rmp::encode;

/// Appends MessagePack values. The lengths are limited far below the 4 GiB of MessagePack.
pub(super) struct Packer<'a>(pub(super) &'a mut Vec<u8>);

// Writing to a Vec cannot fail, so the results are ignored.
impl Packer<'_> {
    pub(super) fn nil(&mut self) {
        let _ = encode::write_nil(self.0);
    }

    pub(super) fn bool(&mut self, value: bool) {
        let _ = encode::write_bool(self.0, value);
    }

    pub(super) fn unsigned(&mut self, number: u64) {
        let _ = encode::write_uint(self.0, number);
    }

    pub(super) fn signed(&mut self, number: i64) {
        let _ = encode::write_sint(self.0, number);
    }

    pub(super) fn float(&mut self, number: f64) {
        let _ = encode::write_f64(self.0, number);
    }

    pub(super) fn text(&mut self, text: &str) {
        let _ = encode::write_str(self.0, text);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let _ = encode::write_bin(self.0, bytes);
    }

    /// Writes the header of an array.
    pub(super) fn array_header(&mut self, items: usize) {
        let _ = encode::write_array_len(self.0, saturating_u32(items as u64));
    }

    /// Writes the header of a map.
    pub(super) fn map_header(&mut self, pairs: u64) {
        let _ = encode::write_map_len(self.0, saturating_u32(pairs));
    }

    /// Writes bytes that are MessagePack already.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }
}

fn saturating_u32(len: u64) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
