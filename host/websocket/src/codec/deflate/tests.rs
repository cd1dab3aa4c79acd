use super::*;

use proptest::prelude::*;

/// The RFC's sample of a block with BFINAL set, RFC 7692, section 7.2.3.4: "Hello", and the byte behind it.
const FINAL_HELLO: [u8; 8] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];

fn agreement(offer: &str, memory: DeflateMode) -> Option<(DeflateParams, String)> {
    DeflateParams::negotiate(&Extension::parse_all([offer.as_bytes()])?, memory)
}

fn agreed(offer: &str, memory: DeflateMode) -> Option<String> {
    agreement(offer, memory).map(|(_, text)| text)
}

#[test]
fn an_offer_is_met_as_far_as_the_route_allows() {
    let kept = |offer| agreed(offer, DeflateMode::ContextTakeover);
    assert_eq!(kept("permessage-deflate").as_deref(), Some("permessage-deflate"));
    assert_eq!(
        kept("permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"")
            .as_deref(),
        Some("permessage-deflate; server_max_window_bits=10")
    );
    assert_eq!(
        agreed("permessage-deflate", DeflateMode::NoContextTakeover).as_deref(),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
}

#[test]
fn what_cannot_be_met_is_passed_over_for_the_next_offer() {
    let offers = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
    assert_eq!(agreed(offers, DeflateMode::ContextTakeover).as_deref(), Some("permessage-deflate"));
    for offer in [
        "x-webkit-deflate-frame",
        "permessage-deflate; unheard_of",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(agreed(offer, DeflateMode::ContextTakeover), None, "{offer}");
    }
}

fn pair(memory: DeflateMode) -> (Deflater, Inflater) {
    let (agreement, _) = agreement("permessage-deflate", memory).unwrap();
    (Deflater::new(&agreement), Inflater::new(&agreement))
}

#[test]
fn what_is_deflated_is_inflated_to_what_it_was() {
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
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
    let (mut deflater, mut inflater) = pair(DeflateMode::NoContextTakeover);
    let bomb = deflater.deflate(&vec![0; 10_000_000]);
    assert_eq!(inflater.inflate(&bomb, 1_000), Err(InflateError::TooLong(1_001)));
}

#[test]
fn a_damaged_message_is_told() {
    let (_, mut inflater) = pair(DeflateMode::NoContextTakeover);
    assert_eq!(inflater.inflate(&[0xff; 40], 1_000), Err(InflateError::Corrupt));
}

#[test]
fn rfc_7692_7_1_2_1_a_window_that_is_asked_for_is_answered_even_if_it_is_the_largest() {
    for bits in 9..=15 {
        let asked = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(agreed(&asked, DeflateMode::ContextTakeover), Some(asked));
    }
}

/// A peer of flate2's own, whose every message is `deflated` or the end of a stream.
struct Peer {
    deflater: Compress,
    inflater: Decompress,
    forgets: bool,
}

impl Peer {
    /// As far as the host's side has agreed to keep what went before, this one does, too.
    fn new(forgets: bool) -> Self {
        Self {
            deflater: new_compressor(MAX_WINDOW_BITS),
            inflater: Decompress::new(false),
            forgets,
        }
    }

    /// All that comes out for `text` with this flush.
    fn say(&mut self, text: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 2 + 1_000);
        self.deflater.compress_vec(text, &mut out, flush).unwrap();
        out
    }

    /// A message whose last block is not final, as RFC 7692, section 7.2.1, has it.
    fn whole(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = self.say(text, FlushCompress::Sync);
        match out.strip_suffix(&SYNC_FLUSH_TAIL) {
            Some(rest) => out.truncate(rest.len()),
            None => out.push(EMPTY_MESSAGE),
        }
        self.forget();
        out
    }

    /// A message whose last block is final, with or without the byte behind it.
    fn finished(&mut self, text: &[u8], byte: bool) -> Vec<u8> {
        let mut out = self.say(text, FlushCompress::Finish);
        self.deflater.reset();
        if byte {
            out.push(EMPTY_MESSAGE);
        }
        out
    }

    fn forget(&mut self) {
        if self.forgets {
            self.deflater.reset();
        }
    }

    /// What a message of the host says. It is inflated with its tail, as RFC 7692, section 7.2.2, has it, and nothing
    /// may be left over.
    fn hear(&mut self, message: &[u8]) -> Vec<u8> {
        assert!(!message.is_empty(), "not even the byte of an empty message");
        if self.forgets {
            self.inflater.reset(false);
        }
        let bytes = [message, &SYNC_FLUSH_TAIL].concat();
        let mut out = Vec::with_capacity(2_000_000);
        let began = self.inflater.total_in();
        self.inflater.decompress_vec(&bytes, &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(self.inflater.total_in() - began, bytes.len() as u64);
        out
    }
}

#[test]
fn rfc_7692_7_2_3_6_an_empty_message_leaves_the_next_one_whole() {
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (mut deflater, mut inflater) = pair(memory);
        let mut peer = Peer::new(memory == DeflateMode::NoContextTakeover);
        for text in ["", "", "hello", "", "world", "", "", "hello"] {
            let ours = deflater.deflate(text.as_bytes());
            assert_eq!(peer.hear(&ours), text.as_bytes(), "{memory:?}");
            let theirs = peer.whole(text.as_bytes());
            assert_eq!(inflater.inflate(&theirs, 100).unwrap(), text, "{memory:?}");
        }
    }
}

#[test]
fn rfc_7692_7_2_3_6_an_empty_message_after_another_is_one_zero_byte() {
    let (mut deflater, _) = pair(DeflateMode::ContextTakeover);
    deflater.deflate(b"hello");
    assert_eq!(deflater.deflate(b""), [0].as_slice());
}

#[test]
fn a_message_without_a_byte_is_empty_and_leaves_the_next_one_whole() {
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = pair(memory);
        let mut peer = Peer::new(memory == DeflateMode::NoContextTakeover);
        for text in ["hello", "world"] {
            assert_eq!(inflater.inflate(&peer.whole(text.as_bytes()), 100).unwrap(), text);
            assert_eq!(inflater.inflate(&[], 100).unwrap(), "");
        }
    }
}

#[test]
fn rfc_7692_7_2_3_4_a_final_block_may_end_every_message() {
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        for message in [&FINAL_HELLO[..], &FINAL_HELLO[..7]] {
            let (_, mut inflater) = pair(memory);
            for _ in 0..3 {
                assert_eq!(inflater.inflate(message, 100).unwrap(), "Hello", "{memory:?}");
            }
            assert_eq!(inflater.inflate(&[EMPTY_MESSAGE], 100).unwrap(), "");
            assert_eq!(inflater.inflate(message, 100).unwrap(), "Hello", "{memory:?}");
        }
    }
}

#[test]
fn several_streams_in_one_message_are_all_heard() {
    let twice = [&FINAL_HELLO[..7], &FINAL_HELLO].concat();
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = pair(memory);
        assert_eq!(inflater.inflate(&twice, 100).unwrap(), "HelloHello");
        assert_eq!(inflater.inflate(&twice, 9), Err(InflateError::TooLong(10)));
    }
}

#[test]
fn rfc_7692_7_2_3_5_several_blocks_in_one_message_are_all_heard() {
    // The RFC's sample: "He" in a block of its own, an empty block, "llo" in another.
    let blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = pair(memory);
        for _ in 0..2 {
            assert_eq!(inflater.inflate(&blocks, 100).unwrap(), "Hello");
        }
    }
}

#[test]
fn what_follows_a_final_block_has_to_be_a_stream() {
    for memory in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = pair(memory);
        let message = [&FINAL_HELLO[..7], &[0xff; 9]].concat();
        assert_eq!(inflater.inflate(&message, 100), Err(InflateError::Corrupt));
    }
}

#[test]
fn streams_without_content_cost_no_more_than_their_bytes_do() {
    let (_, mut inflater) = pair(DeflateMode::ContextTakeover);
    // A final block without content has two bytes.
    let message = [3, 0].repeat(500_000);
    assert_eq!(inflater.inflate(&message, 100).unwrap(), "");
    assert_eq!(inflater.inflate(&FINAL_HELLO, 100).unwrap(), "Hello");
}

/// A part of a conversation.
#[derive(Debug, Clone)]
enum Part {
    /// As most write it.
    Whole(Vec<u8>),
    /// In several blocks, each flushed.
    Blocks(Vec<Vec<u8>>),
    /// In several streams, of which the last is final, too, with or without the byte behind it.
    Streams(Vec<Vec<u8>>, bool),
    /// In several streams, of which the last is not.
    Mixed(Vec<u8>, Vec<u8>),
    /// Without a byte.
    Nothing,
}

fn part() -> impl Strategy<Value = Part> {
    let text = || {
        prop_oneof![
            Just(Vec::new()),
            "(abc|hello |world ){1,40}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 1..300),
            (any::<u8>(), 1_usize..40_000).prop_map(|(byte, len)| vec![byte; len]),
        ]
    };
    let texts = || prop::collection::vec(text(), 1..4);
    prop_oneof![
        text().prop_map(Part::Whole),
        texts().prop_map(Part::Blocks),
        (texts(), any::<bool>()).prop_map(|(texts, byte)| Part::Streams(texts, byte)),
        (text(), text()).prop_map(|(first, last)| Part::Mixed(first, last)),
        Just(Part::Nothing),
    ]
}

impl Part {
    /// Its bytes, and what they say.
    fn write(&self, peer: &mut Peer) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Whole(text) => (peer.whole(text), text.clone()),
            Self::Blocks(texts) => {
                let (last, first) = texts.split_last().unwrap();
                let mut bytes = Vec::new();
                for text in first {
                    bytes.extend(peer.say(text, FlushCompress::Sync));
                }
                bytes.extend(peer.whole(last));
                (bytes, texts.concat())
            }
            Self::Streams(texts, byte) => {
                let (last, first) = texts.split_last().unwrap();
                let mut bytes = Vec::new();
                for text in first {
                    bytes.extend(peer.finished(text, false));
                }
                bytes.extend(peer.finished(last, *byte));
                (bytes, texts.concat())
            }
            Self::Mixed(first, last) => {
                let bytes = [peer.finished(first, false), peer.whole(last)].concat();
                (bytes, [&**first, last].concat())
            }
            Self::Nothing => (Vec::new(), Vec::new()),
        }
    }
}

proptest! {
    #[test]
    fn rfc_7692_7_2_every_way_to_write_a_message_is_heard_whole(
        parts in prop::collection::vec(part(), 1..8),
        client_forgets: bool,
        route_forgets: bool,
    ) {
        let offer = if client_forgets { "permessage-deflate; client_no_context_takeover" } else { "permessage-deflate" };
        let memory = if route_forgets { DeflateMode::NoContextTakeover } else { DeflateMode::ContextTakeover };
        let (agreement, _) = agreement(offer, memory).unwrap();
        let mut inflater = Inflater::new(&agreement);
        let mut peer = Peer::new(client_forgets || route_forgets);
        for part in parts {
            let (bytes, text) = part.write(&mut peer);
            let heard = inflater.inflate(&bytes, text.len());
            prop_assert_eq!(heard, Ok(Bytes::from(text)));
        }
    }

    #[test]
    fn rfc_7692_7_2_what_the_host_says_is_a_message_at_every_position(
        texts in prop::collection::vec(prop_oneof![Just(Vec::new()), prop::collection::vec(0_u8..4, 0..9_000)], 1..8),
        server_forgets: bool,
        bits in 9_u8..=15,
    ) {
        let mut offer = format!("permessage-deflate; server_max_window_bits={bits}");
        if server_forgets {
            offer += "; server_no_context_takeover";
        }
        let (agreement, _) = agreement(&offer, DeflateMode::ContextTakeover).unwrap();
        let mut deflater = Deflater::new(&agreement);
        let mut peer = Peer::new(server_forgets);
        peer.inflater = Decompress::new_with_window_bits(false, bits);
        for text in texts {
            prop_assert_eq!(peer.hear(&deflater.deflate(&text)), text);
        }
    }
}
