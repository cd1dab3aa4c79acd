//! permessage-deflate, RFC 7692: what is agreed on in the handshake, and both directions after it.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Extension;
use narrowboat_config::Deflate;

/// The last bytes of each deflated message, which do not travel (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// An empty message: the head of a block without content, whose rest is the tail (RFC 7692, section 7.2.3.6).
const EMPTY: u8 = 0;

/// The largest window, in bits (RFC 7692, section 7.1.2).
const MAX_WINDOW: u8 = 15;

/// The smallest window that the compressor has, in bits; the extension knows 8, too.
const MIN_WINDOW: u8 = 9;

/// Room that is made for what comes out, in bytes.
const STEP: usize = 4 * 1024;

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The client's messages stand on their own.
    client_forgets: bool,
    /// Ours do.
    server_forgets: bool,
    /// Our window, in bits, where the client asked for one.
    server_window: Option<u8>,
}

impl Agreement {
    /// The first of a client's offers that can be met, and the value of `Sec-WebSocket-Extensions` to answer with.
    pub fn find(offers: &[Extension], memory: Deflate) -> Option<(Self, String)> {
        offers.iter().find_map(|offer| Self::answer(offer, memory))
    }

    /// Meets one offer, if it is of this extension and has nothing but the parameters of RFC 7692,
    /// section 7.1, once each.
    fn answer(offer: &Extension, memory: Deflate) -> Option<(Self, String)> {
        if offer.name != "permessage-deflate" {
            return None;
        }
        let forgets = memory == Deflate::Message;
        let mut agreement =
            Self { client_forgets: forgets, server_forgets: forgets, server_window: None };
        let mut seen = Vec::new();
        for (name, value) in &offer.parameters {
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name.as_str(), value.as_deref()) {
                ("server_no_context_takeover", None) => agreement.server_forgets = true,
                ("client_no_context_takeover", None) => agreement.client_forgets = true,
                ("server_max_window_bits", Some(bits)) => {
                    let bits = window(bits).filter(|bits| *bits >= MIN_WINDOW)?;
                    agreement.server_window = Some(bits);
                }
                ("client_max_window_bits", None) => {}
                // The client may use less; whatever it is, ours is the largest.
                ("client_max_window_bits", Some(bits)) => {
                    window(bits)?;
                }
                _ => return None,
            }
        }
        let text = agreement.text();
        Some((agreement, text))
    }

    fn text(&self) -> String {
        let mut text = "permessage-deflate".to_owned();
        if self.server_forgets {
            text += "; server_no_context_takeover";
        }
        if self.client_forgets {
            text += "; client_no_context_takeover";
        }
        // Whoever offers this is to be told it, were it the largest (RFC 7692, section 7.1.2.1).
        if let Some(bits) = self.server_window {
            text += &format!("; server_max_window_bits={bits}");
        }
        text
    }
}

/// Digits without a leading zero, 8 to 15.
fn window(bits: &str) -> Option<u8> {
    let digits = !bits.starts_with('0') && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = digits.then(|| bits.parse().ok())??;
    (8..=MAX_WINDOW).contains(&bits).then_some(bits)
}

/// Why a message was not inflated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotInflated {
    /// It is at least so many bytes, more than it may be.
    TooLong(usize),
    /// It is no deflate stream.
    Damaged,
}

/// Inflates a client's messages.
pub(super) struct Inflater {
    /// `None` where each message stands on its own; a thread's is used then.
    own: Option<Box<Decompress>>,
}

/// Deflates ours.
pub(super) struct Deflater {
    /// As the inflater's.
    own: Option<Box<Compress>>,
    window: u8,
}

thread_local! {
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static DEFLATE: RefCell<Option<(u8, Compress)>> = const { RefCell::new(None) };
}

impl Inflater {
    pub(super) fn new(agreement: &Agreement) -> Self {
        let own = (!agreement.client_forgets).then(|| Box::new(Decompress::new(false)));
        Self { own }
    }

    /// Inflates a message, to no more than `most` bytes.
    pub(super) fn inflate(&mut self, bytes: &[u8], most: usize) -> Result<Bytes, NotInflated> {
        match &mut self.own {
            Some(own) => inflate(own, bytes, most),
            None => INFLATE.with_borrow_mut(|stream| {
                stream.reset(false);
                inflate(stream, bytes, most)
            }),
        }
    }
}

fn inflate(stream: &mut Decompress, bytes: &[u8], most: usize) -> Result<Bytes, NotInflated> {
    let mut out = Vec::new();
    // A stream that ends with the message's last byte has no tail, which would begin another.
    if !feed(stream, bytes, &mut out, most)? {
        feed(stream, &TAIL, &mut out, most)?;
    }
    Ok(out.into())
}

/// Inflates all of `input`, and says whether the stream is at its beginning after that.
fn feed(
    stream: &mut Decompress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    most: usize,
) -> Result<bool, NotInflated> {
    if input.is_empty() {
        // What some say for an empty message, in place of the byte that RFC 7692, section 7.2.3.6, has.
        return Ok(true);
    }
    loop {
        if out.len() == out.capacity() {
            // One byte more than is allowed tells that there is more.
            out.reserve_exact(out.len().max(STEP).min(most - out.len() + 1));
        }
        let began = stream.total_in();
        let status = stream
            .decompress_vec(input, out, FlushDecompress::Sync)
            .map_err(|_| NotInflated::Damaged)?;
        input = &input[(stream.total_in() - began) as usize..];
        if out.len() > most {
            return Err(NotInflated::TooLong(out.len()));
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
            Status::BufError if out.len() < out.capacity() => return Err(NotInflated::Damaged),
            Status::Ok | Status::BufError => {}
        }
    }
}

impl Deflater {
    pub(super) fn new(agreement: &Agreement) -> Self {
        let window = agreement.server_window.unwrap_or(MAX_WINDOW);
        let own = (!agreement.server_forgets).then(|| Box::new(compress(window)));
        Self { own, window }
    }

    /// Deflates a message, the short ones, too: whoever agreed to it may rely on it.
    pub(super) fn deflate(&mut self, bytes: &[u8]) -> Bytes {
        if let Some(own) = &mut self.own {
            return deflate(own, bytes);
        }
        DEFLATE.with_borrow_mut(|pooled| {
            let (window, stream) =
                pooled.get_or_insert_with(|| (self.window, compress(self.window)));
            if *window != self.window {
                (*window, *stream) = (self.window, compress(self.window));
            }
            stream.reset();
            deflate(stream, bytes)
        })
    }
}

fn compress(window: u8) -> Compress {
    Compress::new_with_window_bits(Compression::fast(), false, window)
}

fn deflate(stream: &mut Compress, bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() / 2 + STEP);
    let began = stream.total_in();
    loop {
        if out.capacity() - out.len() < STEP {
            out.reserve(STEP);
        }
        let used = (stream.total_in() - began) as usize;
        // It has no way to fail: the input is valid, and there is room.
        let _ = stream.compress_vec(&bytes[used..], &mut out, FlushCompress::Sync);
        let used = (stream.total_in() - began) as usize;
        if used == bytes.len() && out.len() < out.capacity() {
            break;
        }
    }
    out.truncate(out.len().saturating_sub(TAIL.len()));
    if out.is_empty() {
        // The compressor says nothing of an empty message behind another (RFC 7692, section 7.2.3.6).
        out.push(EMPTY);
    }
    out.into()
}

#[cfg(test)]
mod tests;
