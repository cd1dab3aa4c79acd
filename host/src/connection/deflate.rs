//! permessage-deflate, RFC 7692: what is agreed on in the handshake, and both directions after it.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::config::Deflate;

/// The last bytes of each deflated message, which do not travel (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

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
    /// Our window, in bits.
    server_window: u8,
}

impl Agreement {
    /// The first of a client's offers, the values of its `Sec-WebSocket-Extensions`, that can be met, and
    /// the value of ours to answer with.
    pub fn find<'a>(
        offers: impl IntoIterator<Item = &'a str>,
        memory: Deflate,
    ) -> Option<(Self, String)> {
        let mut offers = offers.into_iter().flat_map(|header| header.split(','));
        offers.find_map(|offer| Self::answer(offer, memory))
    }

    /// Meets one offer, if it is of this extension and has nothing but the parameters of RFC 7692,
    /// section 7.1, once each.
    fn answer(offer: &str, memory: Deflate) -> Option<(Self, String)> {
        let mut words = offer.split(';').map(str::trim);
        if words.next() != Some("permessage-deflate") {
            return None;
        }
        let forgets = memory == Deflate::Message;
        let mut agreement =
            Self { client_forgets: forgets, server_forgets: forgets, server_window: MAX_WINDOW };
        let mut seen = Vec::new();
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
                None => (word, None),
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name, value) {
                ("server_no_context_takeover", None) => agreement.server_forgets = true,
                ("client_no_context_takeover", None) => agreement.client_forgets = true,
                ("server_max_window_bits", Some(bits)) => {
                    agreement.server_window = window(bits).filter(|bits| *bits >= MIN_WINDOW)?;
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
        if self.server_window < MAX_WINDOW {
            text += &format!("; server_max_window_bits={}", self.server_window);
        }
        text
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
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
    for input in [bytes, &TAIL] {
        let began = stream.total_in();
        loop {
            let used = (stream.total_in() - began) as usize;
            if out.len() == out.capacity() {
                // One byte more than is allowed tells that there is more.
                out.reserve_exact(out.len().max(STEP).min(most - out.len() + 1));
            }
            let status = stream
                .decompress_vec(&input[used..], &mut out, FlushDecompress::Sync)
                .map_err(|_| NotInflated::Damaged)?;
            if out.len() > most {
                return Err(NotInflated::TooLong(out.len()));
            }
            let used = (stream.total_in() - began) as usize;
            match status {
                // A stream may end within a message, and the next begins anew (RFC 7692, section 7.2.3.5).
                Status::StreamEnd => {
                    stream.reset(false);
                    break;
                }
                _ if used == input.len() && out.len() < out.capacity() => break,
                Status::BufError if out.len() < out.capacity() => return Err(NotInflated::Damaged),
                Status::Ok | Status::BufError => {}
            }
        }
    }
    Ok(out.into())
}

impl Deflater {
    pub(super) fn new(agreement: &Agreement) -> Self {
        let window = agreement.server_window;
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
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(offer: &str, memory: Deflate) -> Option<String> {
        Agreement::find([offer], memory).map(|(_, text)| text)
    }

    #[test]
    fn an_offer_is_met_as_far_as_the_route_allows() {
        let kept = |offer| agreed(offer, Deflate::Connection);
        assert_eq!(kept("permessage-deflate").as_deref(), Some("permessage-deflate"));
        assert_eq!(
            kept("permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"")
                .as_deref(),
            Some("permessage-deflate; server_max_window_bits=10")
        );
        assert_eq!(
            agreed("permessage-deflate", Deflate::Message).as_deref(),
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        );
    }

    #[test]
    fn what_cannot_be_met_is_passed_over_for_the_next_offer() {
        let offers = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
        assert_eq!(agreed(offers, Deflate::Connection).as_deref(), Some("permessage-deflate"));
        for offer in [
            "x-webkit-deflate-frame",
            "permessage-deflate; unheard_of",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(agreed(offer, Deflate::Connection), None, "{offer}");
        }
    }

    fn pair(memory: Deflate) -> (Deflater, Inflater) {
        let (agreement, _) = Agreement::find(["permessage-deflate"], memory).unwrap();
        (Deflater::new(&agreement), Inflater::new(&agreement))
    }

    #[test]
    fn what_is_deflated_is_inflated_to_what_it_was() {
        for memory in [Deflate::Message, Deflate::Connection] {
            let (mut deflater, mut inflater) = pair(memory);
            for len in [0, 1, 100, 5_000, 70_000, 1_000_000] {
                let text: Vec<u8> = (0..len).map(|n: u32| (n / 10 % 251) as u8).collect();
                let deflated = deflater.deflate(&text);
                assert_eq!(inflater.inflate(&deflated, text.len()).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_message_that_would_get_too_long_is_not_inflated_further() {
        let (mut deflater, mut inflater) = pair(Deflate::Message);
        let bomb = deflater.deflate(&vec![0; 10_000_000]);
        assert_eq!(inflater.inflate(&bomb, 1_000), Err(NotInflated::TooLong(1_001)));
    }

    #[test]
    fn a_damaged_message_is_told() {
        let (_, mut inflater) = pair(Deflate::Message);
        assert_eq!(inflater.inflate(&[0xff; 40], 1_000), Err(NotInflated::Damaged));
    }
}
