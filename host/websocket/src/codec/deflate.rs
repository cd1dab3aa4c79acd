//! permessage-deflate (RFC 7692): the negotiation in the handshake, and the compression of messages.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Extension;
use narrowboat_config::DeflateMode;

/// The last bytes of each compressed message, which are not sent (RFC 7692, section 7.2.1).
const SYNC_FLUSH_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A compressed empty message: the header of an empty block, which [`SYNC_FLUSH_TAIL`] completes (RFC 7692, section
/// 7.2.3.6).
const EMPTY_MESSAGE: u8 = 0;

/// The largest window, in bits (RFC 7692, section 7.1.2).
const MAX_WINDOW_BITS: u8 = 15;

/// The smallest window of the compressor, in bits. The extension also allows 8.
const MIN_WINDOW_BITS: u8 = 9;

/// The smallest step by which an output buffer grows, in bytes.
const OUTPUT_CHUNK_BYTES: usize = 4 * 1024;

/// The negotiated parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    /// Whether the client compresses each message on its own.
    client_no_context_takeover: bool,
    /// Whether this host compresses each message on its own.
    server_no_context_takeover: bool,
    /// The window of this host's compressor, in bits, if the client asked for one.
    server_max_window_bits: Option<u8>,
}

impl DeflateParams {
    /// Accepts the first acceptable offer. Returns the parameters, and the value of `Sec-WebSocket-Extensions` for the
    /// response.
    pub fn negotiate(offers: &[Extension], mode: DeflateMode) -> Option<(Self, String)> {
        offers.iter().find_map(|offer| Self::accept_offer(offer, mode))
    }

    /// Accepts an offer of this extension whose parameters are those of RFC 7692, section 7.1, each at most once.
    fn accept_offer(offer: &Extension, mode: DeflateMode) -> Option<(Self, String)> {
        if offer.name != "permessage-deflate" {
            return None;
        }
        let no_context_takeover = mode == DeflateMode::NoContextTakeover;
        let mut params = Self {
            client_no_context_takeover: no_context_takeover,
            server_no_context_takeover: no_context_takeover,
            server_max_window_bits: None,
        };
        let mut seen = Vec::new();
        for (name, value) in &offer.parameters {
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name.as_str(), value.as_deref()) {
                ("server_no_context_takeover", None) => params.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => params.client_no_context_takeover = true,
                ("server_max_window_bits", Some(bits)) => {
                    let bits = parse_window_bits(bits).filter(|bits| *bits >= MIN_WINDOW_BITS)?;
                    params.server_max_window_bits = Some(bits);
                }
                ("client_max_window_bits", None) => {}
                // The client may use a smaller window. The decompressor accepts every size.
                ("client_max_window_bits", Some(bits)) => {
                    parse_window_bits(bits)?;
                }
                _ => return None,
            }
        }
        let header = params.header_value();
        Some((params, header))
    }

    /// Returns the value of `Sec-WebSocket-Extensions` for the response.
    fn header_value(&self) -> String {
        let mut header = "permessage-deflate".to_owned();
        if self.server_no_context_takeover {
            header += "; server_no_context_takeover";
        }
        if self.client_no_context_takeover {
            header += "; client_no_context_takeover";
        }
        // A requested window must be confirmed, even if it is the largest (RFC 7692, section 7.1.2.1).
        if let Some(bits) = self.server_max_window_bits {
            header += &format!("; server_max_window_bits={bits}");
        }
        header
    }
}

/// Parses a number from 8 to 15 without a leading zero.
fn parse_window_bits(bits: &str) -> Option<u8> {
    let digits = !bits.starts_with('0') && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = digits.then(|| bits.parse().ok())??;
    (8..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

/// An error of decompression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The message is larger than allowed. It has at least this many bytes.
    TooLong(usize),
    /// The message is not a valid deflate stream.
    Corrupt,
}

/// Decompresses the messages of a client.
pub(crate) struct Inflater {
    /// The state that is kept between messages. `None` means that each message is compressed on its own; the state of
    /// the thread is used then.
    context: Option<Box<Decompress>>,
}

/// Compresses the messages of this host.
pub(crate) struct Deflater {
    /// Like [`Inflater::context`].
    context: Option<Box<Compress>>,
    window_bits: u8,
}

thread_local! {
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static DEFLATE: RefCell<Option<(u8, Compress)>> = const { RefCell::new(None) };
}

impl Inflater {
    pub(crate) fn new(params: &DeflateParams) -> Self {
        let context =
            (!params.client_no_context_takeover).then(|| Box::new(Decompress::new(false)));
        Self { context }
    }

    /// Decompresses a message to at most `max_bytes`.
    pub(crate) fn inflate(
        &mut self,
        bytes: &[u8],
        max_bytes: usize,
    ) -> Result<Bytes, InflateError> {
        match &mut self.context {
            Some(context) => inflate_message(context, bytes, max_bytes),
            None => INFLATE.with_borrow_mut(|stream| {
                stream.reset(false);
                inflate_message(stream, bytes, max_bytes)
            }),
        }
    }
}

fn inflate_message(
    stream: &mut Decompress,
    bytes: &[u8],
    max_bytes: usize,
) -> Result<Bytes, InflateError> {
    let mut out = Vec::new();
    // If the last block is final, the stream has ended. The tail would start another stream.
    if !inflate_into(stream, bytes, &mut out, max_bytes)? {
        inflate_into(stream, &SYNC_FLUSH_TAIL, &mut out, max_bytes)?;
    }
    Ok(out.into())
}

/// Decompresses all of `input`. Returns whether the stream has ended with it and another would begin.
fn inflate_into(
    stream: &mut Decompress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<bool, InflateError> {
    if input.is_empty() {
        // Some peers send no byte for an empty message, instead of the one in RFC 7692, section 7.2.3.6.
        return Ok(true);
    }
    loop {
        if out.len() == out.capacity() {
            // One byte more than allowed shows that the message is too long.
            out.reserve_exact(out.len().max(OUTPUT_CHUNK_BYTES).min(max_bytes - out.len() + 1));
        }
        let start = stream.total_in();
        let status = stream
            .decompress_vec(input, out, FlushDecompress::Sync)
            .map_err(|_| InflateError::Corrupt)?;
        input = &input[(stream.total_in() - start) as usize..];
        if out.len() > max_bytes {
            return Err(InflateError::TooLong(out.len()));
        }
        match status {
            // After the final block of a stream, another stream may begin in the same message (RFC 7692, section
            // 7.2.3.4). As in zlib, it cannot refer to data before it.
            Status::StreamEnd => {
                stream.reset(false);
                if input.is_empty() {
                    return Ok(true);
                }
            }
            _ if input.is_empty() && out.len() < out.capacity() => return Ok(false),
            Status::BufError if out.len() < out.capacity() => return Err(InflateError::Corrupt),
            Status::Ok | Status::BufError => {}
        }
    }
}

impl Deflater {
    pub(crate) fn new(params: &DeflateParams) -> Self {
        let window_bits = params.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
        let context =
            (!params.server_no_context_takeover).then(|| Box::new(new_compressor(window_bits)));
        Self { context, window_bits }
    }

    /// Compresses a message of any size.
    pub(crate) fn deflate(&mut self, bytes: &[u8]) -> Bytes {
        if let Some(context) = &mut self.context {
            return deflate_message(context, bytes);
        }
        DEFLATE.with_borrow_mut(|pooled| {
            let (window_bits, stream) =
                pooled.get_or_insert_with(|| (self.window_bits, new_compressor(self.window_bits)));
            if *window_bits != self.window_bits {
                (*window_bits, *stream) = (self.window_bits, new_compressor(self.window_bits));
            }
            stream.reset();
            deflate_message(stream, bytes)
        })
    }
}

fn new_compressor(window_bits: u8) -> Compress {
    Compress::new_with_window_bits(Compression::fast(), false, window_bits)
}

fn deflate_message(stream: &mut Compress, bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() / 2 + OUTPUT_CHUNK_BYTES);
    let start = stream.total_in();
    loop {
        if out.capacity() - out.len() < OUTPUT_CHUNK_BYTES {
            out.reserve(OUTPUT_CHUNK_BYTES);
        }
        let used = (stream.total_in() - start) as usize;
        // Compression cannot fail: every input is valid, and the output has room.
        let _ = stream.compress_vec(&bytes[used..], &mut out, FlushCompress::Sync);
        let used = (stream.total_in() - start) as usize;
        if used == bytes.len() && out.len() < out.capacity() {
            break;
        }
    }
    out.truncate(out.len().saturating_sub(SYNC_FLUSH_TAIL.len()));
    if out.is_empty() {
        // The compressor has no output for an empty message after another message (RFC 7692, section 7.2.3.6).
        out.push(EMPTY_MESSAGE);
    }
    out.into()
}

#[cfg(test)]
mod tests;
