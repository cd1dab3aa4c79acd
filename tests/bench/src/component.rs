//! Replaces the manifest of a component without changing its code.

use anyhow::{Context, ensure};

/// The name of the custom section with the manifest.
const MANIFEST_SECTION: &[u8] = b"narrowboat:manifest";

/// The length of the header before the first section: magic number, version and layer.
const HEADER_BYTES: usize = 8;

/// The id of a custom section.
const CUSTOM_SECTION_ID: u8 = 0;

/// Replaces the manifest of a component with `text`.
pub(crate) fn replace_manifest(component: &[u8], text: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(component.starts_with(b"\0asm"), "is not WebAssembly");
    let (header, mut rest) = component.split_at_checked(HEADER_BYTES).context("is cut off")?;
    let mut out = header.to_vec();
    while !rest.is_empty() {
        let (section, behind) = read_section(rest).context("is cut off or damaged")?;
        if !section.is_manifest() {
            out.extend_from_slice(section.bytes);
        }
        rest = behind;
    }
    let mut content = Vec::new();
    write_leb128(&mut content, MANIFEST_SECTION.len());
    content.extend_from_slice(MANIFEST_SECTION);
    content.extend_from_slice(text.as_bytes());
    out.push(CUSTOM_SECTION_ID);
    write_leb128(&mut out, content.len());
    out.extend_from_slice(&content);
    Ok(out)
}

/// Encodes a section: an id, a length, and that many bytes.
struct WasmSection<'a> {
    bytes: &'a [u8],
    content: &'a [u8],
}

impl WasmSection<'_> {
    fn is_manifest(&self) -> bool {
        let named = || {
            let (length, name) = read_leb128(self.content)?;
            name.get(..length)
        };
        self.bytes[0] == CUSTOM_SECTION_ID && named() == Some(MANIFEST_SECTION)
    }
}

/// Splits the first section from the rest.
fn read_section(bytes: &[u8]) -> Option<(WasmSection<'_>, &[u8])> {
    let (length, content) = read_leb128(bytes.get(1..)?)?;
    let (content, behind) = content.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - behind.len()];
    Some((WasmSection { bytes: whole, content }, behind))
}

/// Decodes a length in LEB128, with seven bits in a byte. Returns it with the rest.
fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0).filter(|last| *last < 5)?;
    let digits = bytes[..=last].iter().rev();
    let length = digits.fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    Some((length, &bytes[last + 1..]))
}

fn write_leb128(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with only a custom section `a` of 200 bytes.
    fn component() -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0\0\xca\x01\x01a".to_vec();
        bytes.extend([7; 200]);
        bytes
    }

    #[test]
    fn a_manifest_is_added_and_replaced_and_all_else_kept() {
        let first = replace_manifest(&component(), "name = \"one\"").unwrap();
        let second = replace_manifest(&first, "name = \"two\"").unwrap();
        assert!(second.starts_with(&component()));
        assert!(second.ends_with(b"\x13narrowboat:manifestname = \"two\""));
        assert_eq!(second.len(), first.len());
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(replace_manifest(b"#!/bin/sh", "").is_err());
        assert!(replace_manifest(&component()[..20], "").is_err());
    }
}
