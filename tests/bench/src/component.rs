//! The same component under another manifest: its code stays byte for byte what it was.

use anyhow::{Context, ensure};

/// The custom section in which a component carries its manifest.
const MANIFEST: &[u8] = b"narrowboat:manifest";

/// Magic number, version and layer, before the first section.
const HEADER: usize = 8;

/// The number of a custom section.
const CUSTOM: u8 = 0;

/// Gives a component another manifest in place of its own.
pub(crate) fn with_manifest(component: &[u8], text: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(component.starts_with(b"\0asm"), "is not WebAssembly");
    let (header, mut rest) = component.split_at_checked(HEADER).context("is cut off")?;
    let mut out = header.to_vec();
    while !rest.is_empty() {
        let (section, behind) = section(rest).context("is cut off or damaged")?;
        if !section.is_manifest() {
            out.extend_from_slice(section.whole);
        }
        rest = behind;
    }
    let mut content = Vec::new();
    write_length(&mut content, MANIFEST.len());
    content.extend_from_slice(MANIFEST);
    content.extend_from_slice(text.as_bytes());
    out.push(CUSTOM);
    write_length(&mut out, content.len());
    out.extend_from_slice(&content);
    Ok(out)
}

/// A section: a number, a length, and that many bytes.
struct Section<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl Section<'_> {
    fn is_manifest(&self) -> bool {
        let named = || {
            let (length, name) = read_length(self.content)?;
            name.get(..length)
        };
        self.whole[0] == CUSTOM && named() == Some(MANIFEST)
    }
}

/// The first section and what is behind it.
fn section(bytes: &[u8]) -> Option<(Section<'_>, &[u8])> {
    let (length, content) = read_length(bytes.get(1..)?)?;
    let (content, behind) = content.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - behind.len()];
    Some((Section { whole, content }, behind))
}

/// Reads a length in LEB128, seven bits a byte, and gives what is behind it.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0).filter(|last| *last < 5)?;
    let digits = bytes[..=last].iter().rev();
    let length = digits.fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    Some((length, &bytes[last + 1..]))
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component of nothing but a custom section `a` of 200 bytes.
    fn component() -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0\0\xca\x01\x01a".to_vec();
        bytes.extend([7; 200]);
        bytes
    }

    #[test]
    fn a_manifest_is_added_and_replaced_and_all_else_kept() {
        let first = with_manifest(&component(), "name = \"one\"").unwrap();
        let second = with_manifest(&first, "name = \"two\"").unwrap();
        assert!(second.starts_with(&component()));
        assert!(second.ends_with(b"\x13narrowboat:manifestname = \"two\""));
        assert_eq!(second.len(), first.len());
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(with_manifest(b"#!/bin/sh", "").is_err());
        assert!(with_manifest(&component()[..20], "").is_err());
    }
}
