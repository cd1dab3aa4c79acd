//! The archive of a source bundle: a ustar archive (POSIX.1-1988) in one form.
//!
//! An entry is a header of 512 bytes and the content, filled up with zeros to a multiple of 512 bytes. Two blocks of
//! zeros end the archive.

use std::ops::Range;

use super::source_bundle_error::SourceBundleError;
use super::source_path::{MAX_NAME, MAX_PREFIX, SourcePath};

const BLOCK: usize = 512;

/// The end of an archive.
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const NAME: Range<usize> = 0..MAX_NAME;
const MODE: Range<usize> = 100..108;
const OWNER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MODIFIED: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: Range<usize> = 156..157;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const OWNER_NAME: Range<usize> = 265..297;
const GROUP_NAME: Range<usize> = 297..329;
const DEVICE: Range<usize> = 329..345;
const PREFIX: Range<usize> = 345..345 + MAX_PREFIX;
const REST: Range<usize> = 500..BLOCK;

/// The fields of a header with their names in errors. The checksum is last, because it differs when another one does.
const FIELDS: [(&str, Range<usize>); 15] = [
    ("name", NAME),
    ("mode", MODE),
    ("owner", OWNER),
    ("group", GROUP),
    ("size", SIZE),
    ("modification time", MODIFIED),
    ("kind of entry", KIND),
    ("link target", LINK),
    ("format", MAGIC),
    ("owner name", OWNER_NAME),
    ("group name", GROUP_NAME),
    ("device number", DEVICE),
    ("prefix of the name", PREFIX),
    ("padding", REST),
    ("checksum", CHECKSUM),
];

/// The kind of a regular file.
const REGULAR: u8 = b'0';

/// The number of octal digits of a size.
const SIZE_DIGITS: usize = 11;

/// Whether bytes begin with a header of a tar archive, in this form or another one.
pub(super) fn has_magic(bytes: &[u8]) -> bool {
    bytes.get(MAGIC).is_some_and(|magic| magic.starts_with(b"ustar"))
}

/// Writes an archive.
#[derive(Default)]
pub(super) struct ArchiveWriter(Vec<u8>);

impl ArchiveWriter {
    /// Appends a file. Callers append files in the order of their paths.
    ///
    /// # Errors
    /// If the content is too large for a header.
    pub(super) fn append(
        &mut self,
        path: &SourcePath,
        content: &[u8],
    ) -> Result<(), SourceBundleError> {
        let header = encode_header(path, content.len())
            .ok_or_else(|| SourceBundleError::FileTooLarge(path.clone()))?;
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(&END[..padding_len(content.len())]);
        Ok(())
    }

    /// Ends the archive and returns its bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END);
        self.0
    }
}

/// Reads an archive, and refuses what [`ArchiveWriter`] would not write.
pub(super) struct ArchiveReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> ArchiveReader<'a> {
    /// A reader of the archive in `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Reads the next file; `None` at the end of the archive.
    ///
    /// # Errors
    /// If the bytes are not an archive in the canonical form.
    pub(super) fn next_file(
        &mut self,
    ) -> Result<Option<(SourcePath, &'a [u8])>, SourceBundleError> {
        let header = self.take(BLOCK)?;
        if header == &END[..BLOCK] {
            self.check_end()?;
            return Ok(None);
        }
        let (path, size) = decode_header(header)?;
        let content = self.take(size)?;
        if self.take(padding_len(size))?.iter().any(|byte| *byte != 0) {
            return Err(SourceBundleError::Padding(path));
        }
        Ok(Some((path, content)))
    }

    fn check_end(&mut self) -> Result<(), SourceBundleError> {
        let start = self.position;
        if self.take(BLOCK)? != &END[..BLOCK] {
            return Err(SourceBundleError::TrailingBytes(start));
        }
        if self.position < self.bytes.len() {
            return Err(SourceBundleError::TrailingBytes(self.position));
        }
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SourceBundleError> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..len).ok_or(SourceBundleError::Truncated(self.bytes.len()))?;
        self.position += len;
        Ok(taken)
    }
}

/// The number of zeros after a content.
fn padding_len(size: usize) -> usize {
    size.wrapping_neg() % BLOCK
}

/// Encodes the header of a file. `None` if the size does not fit.
fn encode_header(path: &SourcePath, size: usize) -> Option<[u8; BLOCK]> {
    let size = format!("{size:0SIZE_DIGITS$o}");
    if size.len() > SIZE_DIGITS {
        return None;
    }
    let (prefix, name) = path.header_fields();
    let mut header = [0; BLOCK];
    let mut set = |field: Range<usize>, value: &[u8]| {
        header[field.start..field.start + value.len()].copy_from_slice(value);
    };
    set(NAME, name.as_bytes());
    set(MODE, b"0000644");
    set(OWNER, b"0000000");
    set(GROUP, b"0000000");
    set(SIZE, size.as_bytes());
    set(MODIFIED, b"00000000000");
    // The checksum is computed as if its field had spaces.
    set(CHECKSUM, b"        ");
    set(KIND, &[REGULAR]);
    set(MAGIC, b"ustar\x0000");
    set(DEVICE, b"0000000\x000000000");
    set(PREFIX, prefix.as_bytes());
    let checksum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[CHECKSUM].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());
    Some(header)
}

/// Decodes the header of a file, and refuses one that [`encode_header`] would not make.
fn decode_header(header: &[u8]) -> Result<(SourcePath, usize), SourceBundleError> {
    let path_text = decode_path(header);
    if let Some(kind) = special_kind(header[KIND.start]) {
        return Err(SourceBundleError::NotAFile { path: path_text, kind });
    }
    let path = SourcePath::parse(&path_text)?;
    let different = |field| SourceBundleError::NotCanonical { path: path_text.clone(), field };
    let size = decode_size(&header[SIZE]).ok_or_else(|| different("size"))?;
    let expected = encode_header(&path, size).ok_or_else(|| different("size"))?;
    match FIELDS.iter().find(|(_, field)| header[field.clone()] != expected[field.clone()]) {
        Some((name, _)) => Err(different(name)),
        None => Ok((path, size)),
    }
}

fn decode_path(header: &[u8]) -> String {
    let name = decode_text(&header[NAME]);
    match decode_text(&header[PREFIX]) {
        prefix if prefix.is_empty() => name,
        prefix => format!("{prefix}/{name}"),
    }
}

/// The text of a field up to its first zero.
fn decode_text(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn decode_size(field: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(field.get(..SIZE_DIGITS)?).ok()?;
    digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')).then_some(())?;
    usize::from_str_radix(digits, 8).ok()
}

/// The kind of an entry that is not a regular file.
fn special_kind(kind: u8) -> Option<&'static str> {
    match kind {
        REGULAR | 0 => None,
        b'1' => Some("a hard link"),
        b'2' => Some("a symbolic link"),
        b'3' | b'4' => Some("a device"),
        b'5' => Some("a folder"),
        b'6' => Some("a pipe"),
        b'g' | b'x' => Some("an extended header"),
        b'K' | b'L' => Some("a long name in the format of GNU"),
        _ => Some("an entry of another kind"),
    }
}
