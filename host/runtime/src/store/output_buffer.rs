//! The standard output or standard error of a guest, whose lines go to the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, sink};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError, StreamResult};

/// The contexts of the log lines.
pub(crate) const STDOUT_CONTEXT: &str = "stdout";
pub(crate) const STDERR_CONTEXT: &str = "stderr";

/// The longest line, in bytes. A longer line is split.
const MAX_LINE_BYTES: usize = 4096;

/// The number of bytes that a guest may write at once.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// The standard output or standard error of a guest. Clones share the bytes that are not in the log yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutputBuffer(Arc<Mutex<BytesMut>>);

impl OutputBuffer {
    /// Takes the next line without its line end, or the first part of a line that is too long. `None` if no line is
    /// complete.
    pub(crate) fn take_line(&self) -> Option<String> {
        let mut bytes = self.lock();
        let window = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
        let (length, line_end) = match window.iter().position(|byte| *byte == b'\n') {
            Some(length) => (length, 1),
            None if window.len() == MAX_LINE_BYTES => (MAX_LINE_BYTES, 0),
            None => return None,
        };
        // Moves no bytes, so that a write of many short lines takes linear time.
        let line = bytes.split_to(length);
        bytes.advance(line_end);
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// Takes the line that has no end yet. `None` if it is empty.
    pub(crate) fn take_rest(&self) -> Option<String> {
        let rest = std::mem::take(&mut *self.lock());
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }

    fn lock(&self) -> MutexGuard<'_, BytesMut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pollable for OutputBuffer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for OutputBuffer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE_BYTES {
            return Err(StreamError::trap("write: the length is more than check-write allows"));
        }
        self.lock().extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE_BYTES)
    }
}

impl IsTerminal for OutputBuffer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for OutputBuffer {
    // Only WASI 0.3 uses this stream, which the host does not link.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(writes: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let buffer = OutputBuffer::default();
        let mut lines = Vec::new();
        for bytes in writes {
            buffer.clone().write(Bytes::copy_from_slice(bytes)).unwrap();
            lines.extend(std::iter::from_fn(|| buffer.take_line()));
        }
        (lines, buffer.take_rest())
    }

    #[test]
    fn output_is_split_at_line_ends() {
        let (lines, rest) = lines_of(&[b"one\ntw", b"o\n\nthr", b"ee"]);
        assert_eq!(lines, ["one", "two", ""]);
        assert_eq!(rest.as_deref(), Some("three"));
    }

    #[test]
    fn a_long_line_is_split() {
        let (lines, rest) = lines_of(&[&[b'a'; MAX_LINE_BYTES + 1]]);
        assert_eq!(lines, ["a".repeat(MAX_LINE_BYTES)]);
        assert_eq!(rest.as_deref(), Some("a"));
    }

    #[test]
    fn output_that_is_not_utf_8_is_logged_with_replacement_characters() {
        assert_eq!(lines_of(&[b"\xff\n"]).0, ["\u{fffd}"]);
    }

    #[test]
    fn a_write_of_more_than_the_permit_is_an_error() {
        let bytes = Bytes::from(vec![0; MAX_WRITE_BYTES + 1]);
        assert!(OutputBuffer::default().write(bytes).is_err());
    }
}
