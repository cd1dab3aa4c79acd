//! The headers of a request in one piece of memory.

use std::fmt;

/// The bytes before each header: the length of its name in 2 bytes, and that of its value in 4.
const PREFIX_BYTES: usize = 6;

/// Headers in the order of the request: names in lower case, and raw values. A connection keeps those of its handshake to
/// its end, so they are in one allocation without spare room.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderList(Box<[u8]>);

impl HeaderList {
    /// Returns the names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (prefix, fields) = rest.split_first_chunk::<PREFIX_BYTES>()?;
            let [a, b, lengths @ ..] = *prefix;
            let (name, fields) = fields.split_at_checked(u16::from_le_bytes([a, b]).into())?;
            let value_len = usize::try_from(u32::from_le_bytes(lengths)).ok()?;
            let (value, following) = fields.split_at_checked(value_len)?;
            rest = following;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for HeaderList {
    /// Copies headers. A header whose name or value does not fit is left out: a name of 64 KiB, or a value of 4 GiB. The
    /// HTTP parser accepts neither.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(headers: I) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            let lengths = (u16::try_from(name.len()), u32::try_from(value.len()));
            if let (Ok(name_len), Ok(value_len)) = lengths {
                bytes.extend_from_slice(&name_len.to_le_bytes());
                bytes.extend_from_slice(&value_len.to_le_bytes());
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(value);
            }
        }
        Self(bytes.into_boxed_slice())
    }
}

impl fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readable = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(readable).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_their_bytes() {
        let headers: [(&str, &[u8]); 4] =
            [("host", b"x"), ("cookie", b""), ("cookie", b"a=\xff\0"), ("", b"no name")];
        let list: HeaderList = headers.into_iter().collect();
        assert_eq!(list.iter().collect::<Vec<_>>(), headers);
        assert_eq!(HeaderList::default().iter().count(), 0);
    }

    #[test]
    fn a_header_that_does_not_fit_is_left_out() {
        let long = "n".repeat(70_000);
        let headers: [(&str, &[u8]); 3] = [("a", b"1"), (&long, b"2"), ("c", b"3")];
        let list: HeaderList = headers.into_iter().collect();
        assert_eq!(list.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
    }
}
