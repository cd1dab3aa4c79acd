//! permessage-deflate, RFC 7692: what is agreed on in the handshake, and both directions after it.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Extension;
use narrowboat_config::DeflateMode;

/// The last bytes of each deflated message, which do not travel (RFC 7692, section 7.2.1).
const SYNC_FLUSH_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// An empty message: the head of a block without content, whose rest is the tail (RFC 7692, section 7.2.3.6).
const EMPTY_MESSAGE: u8 = 0;

/// The largest window, in bits (RFC 7692, section 7.1.2).
const MAX_WINDOW_BITS: u8 = 15;

/// The smallest window that the compressor has, in bits; the extension knows 8, too.
const MIN_WINDOW_BITS: u8 = 9;

/// Room that is made for what comes out, in bytes.
const OUTPUT_CHUNK_BYTES: usize = 4 * 1024;

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    /// The client's messages stand on their own.
    client_no_context_takeover: bool,
    /// Ours do.
    server_no_context_takeover: bool,
    /// Our window, in bits, where the client asked for one.
    server_max_window_bits: Option<u8>,
}

impl DeflateParams {
    /// The first of a client's offers that can be met, and the value of `Sec-WebSocket-Extensions` to answer with.
    pub fn negotiate(offers: &[Extension], memory: DeflateMode) -> Option<(Self, String)> {
        offers.iter().find_map(|offer| Self::accept_offer(offer, memory))
    }

    /// Meets one offer, if it is of this extension and has nothing but the parameters of RFC 7692,
    /// section 7.1, once each.
    fn accept_offer(offer: &Extension, memory: DeflateMode) -> Option<(Self, String)> {
        if offer.name != "permessage-deflate" {
            return None;
        }
        let forgets = memory == DeflateMode::NoContextTakeover;
        let mut agreement = Self {
            client_no_context_takeover: forgets,
            server_no_context_takeover: forgets,
            server_max_window_bits: None,
        };
        let mut seen = Vec::new();
        for (name, value) in &offer.parameters {
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name.as_str(), value.as_deref()) {
                ("server_no_context_takeover", None) => agreement.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => agreement.client_no_context_takeover = true,
                ("server_max_window_bits", Some(bits)) => {
                    let bits = parse_window_bits(bits).filter(|bits| *bits >= MIN_WINDOW_BITS)?;
                    agreement.server_max_window_bits = Some(bits);
                }
                ("client_max_window_bits", None) => {}
                // The client may use less; whatever it is, ours is the largest.
                ("client_max_window_bits", Some(bits)) => {
                    parse_window_bits(bits)?;
                }
                _ => return None,
            }
        }
        let text = agreement.header_value();
        Some((agreement, text))
    }

    fn header_value(&self) -> String {
        let mut text = "permessage-deflate".to_owned();
        if self.server_no_context_takeover {
            text += "; server_no_context_takeover";
        }
        if self.client_no_context_takeover {
            text += "; client_no_context_takeover";
        }
        // Whoever offers this is to be told it, were it the largest (RFC 7692, section 7.1.2.1).
        if let Some(bits) = self.server_max_window_bits {
            text += &format!("; server_max_window_bits={bits}");
        }
        text
    }
}

/// Digits without a leading zero, 8 to 15.
fn parse_window_bits(bits: &str) -> Option<u8> {
    let digits = !bits.starts_with('0') && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = digits.then(|| bits.parse().ok())??;
    (8..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

/// Why a message was not inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is at least so many bytes, more than it may be.
    TooLong(usize),
    /// It is no deflate stream.
    Corrupt,
}

/// Inflates a client's messages.
pub(crate) struct Inflater {
    /// `None` where each message stands on its own; a thread's is used then.
    context: Option<Box<Decompress>>,
}

/// Deflates ours.
pub(crate) struct Deflater {
    /// As the inflater's.
    context: Option<Box<Compress>>,
    window_bits: u8,
}

thread_local! {
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static DEFLATE: RefCell<Option<(u8, Compress)>> = const { RefCell::new(None) };
}

impl Inflater {
    pub(crate) fn new(agreement: &DeflateParams) -> Self {
        let context =
            (!agreement.client_no_context_takeover).then(|| Box::new(Decompress::new(false)));
        Self { context }
    }

    /// Inflates a message, to no more than `most` bytes.
    pub(crate) fn inflate(&mut self, bytes: &[u8], most: usize) -> Result<Bytes, InflateError> {
        match &mut self.context {
            Some(own) => inflate(own, bytes, most),
            None => INFLATE.with_borrow_mut(|stream| {
                stream.reset(false);
                inflate(stream, bytes, most)
            }),
        }
    }
}

fn inflate(stream: &mut Decompress, bytes: &[u8], most: usize) -> Result<Bytes, InflateError> {
    let mut out = Vec::new();
    // A stream that ends with the message's last byte has no tail, which would begin another.
    if !inflate_into(stream, bytes, &mut out, most)? {
        inflate_into(stream, &SYNC_FLUSH_TAIL, &mut out, most)?;
    }
    Ok(out.into())
}

/// Inflates all of `input`, and says whether the stream is at its beginning after that.
fn inflate_into(
    stream: &mut Decompress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    most: usize,
) -> Result<bool, InflateError> {
    if input.is_empty() {
        // What some say for an empty message, in place of the byte that RFC 7692, section 7.2.3.6, has.
        return Ok(true);
    }
    loop {
        if out.len() == out.capacity() {
            // One byte more than is allowed tells that there is more.
            out.reserve_exact(out.len().max(OUTPUT_CHUNK_BYTES).min(most - out.len() + 1));
        }
        let began = stream.total_in();
        let status = stream
            .decompress_vec(input, out, FlushDecompress::Sync)
            .map_err(|_| InflateError::Corrupt)?;
        input = &input[(stream.total_in() - began) as usize..];
        if out.len() > most {
            return Err(InflateError::TooLong(out.len()));
        }
        match status {
            // The final block of a stream, behind which another may begin in the same message (RFC 7692,
            // section 7.2.3.4). As in zlib nothing before it can be referred to from there on.
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
    pub(crate) fn new(agreement: &DeflateParams) -> Self {
        let window_bits = agreement.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
        let context =
            (!agreement.server_no_context_takeover).then(|| Box::new(new_compressor(window_bits)));
        Self { context, window_bits }
    }

    /// Deflates a message, the short ones, too: whoever agreed to it may rely on it.
    pub(crate) fn deflate(&mut self, bytes: &[u8]) -> Bytes {
        if let Some(own) = &mut self.context {
            return deflate(own, bytes);
        }
        DEFLATE.with_borrow_mut(|pooled| {
            let (window, stream) =
                pooled.get_or_insert_with(|| (self.window_bits, new_compressor(self.window_bits)));
            if *window != self.window_bits {
                (*window, *stream) = (self.window_bits, new_compressor(self.window_bits));
            }
            stream.reset();
            deflate(stream, bytes)
        })
    }
}

fn new_compressor(window: u8) -> Compress {
    Compress::new_with_window_bits(Compression::fast(), false, window)
}

fn deflate(stream: &mut Compress, bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() / 2 + OUTPUT_CHUNK_BYTES);
    let began = stream.total_in();
    loop {
        if out.capacity() - out.len() < OUTPUT_CHUNK_BYTES {
            out.reserve(OUTPUT_CHUNK_BYTES);
        }
        let used = (stream.total_in() - began) as usize;
        // It has no way to fail: the input is valid, and there is room.
        let _ = stream.compress_vec(&bytes[used..], &mut out, FlushCompress::Sync);
        let used = (stream.total_in() - began) as usize;
        if used == bytes.len() && out.len() < out.capacity() {
            break;
        }
    }
    out.truncate(out.len().saturating_sub(SYNC_FLUSH_TAIL.len()));
    if out.is_empty() {
        // The compressor says nothing of an empty message behind another (RFC 7692, section 7.2.3.6).
        out.push(EMPTY_MESSAGE);
    }
    out.into()
}

#[cfg(test)]
mod tests;
