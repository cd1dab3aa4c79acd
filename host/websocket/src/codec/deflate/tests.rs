use super::*;

use proptest::prelude::*;

/// The example of a final block in RFC 7692, section 7.2.3.4: "Hello", and the byte after the block.
const FINAL_HELLO: [u8; 8] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];

fn negotiate(offer: &str, mode: DeflateMode) -> Option<(DeflateParams, String)> {
    DeflateParams::negotiate(&Extension::parse_all([offer.as_bytes()])?, mode)
}

fn response_header(offer: &str, mode: DeflateMode) -> Option<String> {
    negotiate(offer, mode).map(|(_, header)| header)
}

#[test]
fn an_offer_is_accepted_in_the_mode_of_the_route() {
    let with_context = |offer| response_header(offer, DeflateMode::ContextTakeover);
    assert_eq!(with_context("permessage-deflate").as_deref(), Some("permessage-deflate"));
    assert_eq!(
        with_context("permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"")
            .as_deref(),
        Some("permessage-deflate; server_max_window_bits=10")
    );
    assert_eq!(
        response_header("permessage-deflate", DeflateMode::NoContextTakeover).as_deref(),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
}

#[test]
fn an_unacceptable_offer_is_skipped() {
    let offers = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
    assert_eq!(
        response_header(offers, DeflateMode::ContextTakeover).as_deref(),
        Some("permessage-deflate")
    );
    for offer in [
        "x-webkit-deflate-frame",
        "permessage-deflate; unheard_of",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(response_header(offer, DeflateMode::ContextTakeover), None, "{offer}");
    }
}

fn codec_pair(mode: DeflateMode) -> (Deflater, Inflater) {
    let (params, _) = negotiate("permessage-deflate", mode).unwrap();
    (Deflater::new(&params), Inflater::new(&params))
}

#[test]
fn a_compressed_message_decompresses_to_itself() {
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (mut deflater, mut inflater) = codec_pair(mode);
        for len in [0, 1, 100, 5_000, 70_000, 1_000_000] {
            let text: Vec<u8> = (0..len).map(|n: u32| (n / 10 % 251) as u8).collect();
            let deflated = deflater.deflate(&text);
            assert_eq!(inflater.inflate(&deflated, text.len()).unwrap(), text);
        }
    }
}

#[test]
fn decompression_stops_at_the_limit() {
    let (mut deflater, mut inflater) = codec_pair(DeflateMode::NoContextTakeover);
    let bomb = deflater.deflate(&vec![0; 10_000_000]);
    assert_eq!(inflater.inflate(&bomb, 1_000), Err(InflateError::TooLong(1_001)));
}

#[test]
fn a_corrupt_message_is_an_error() {
    let (_, mut inflater) = codec_pair(DeflateMode::NoContextTakeover);
    assert_eq!(inflater.inflate(&[0xff; 40], 1_000), Err(InflateError::Corrupt));
}

#[test]
fn rfc_7692_7_1_2_1_a_requested_window_is_confirmed_even_if_it_is_the_largest() {
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(response_header(&offer, DeflateMode::ContextTakeover), Some(offer));
    }
}

/// A peer that uses flate2 directly, and can end its messages with a final block.
struct Peer {
    deflater: Compress,
    inflater: Decompress,
    no_context_takeover: bool,
}

impl Peer {
    /// Returns a peer that keeps its state between messages unless `no_context_takeover` is set.
    fn new(no_context_takeover: bool) -> Self {
        Self {
            deflater: new_compressor(MAX_WINDOW_BITS),
            inflater: Decompress::new(false),
            no_context_takeover,
        }
    }

    /// Compresses `text` and flushes the compressor.
    fn compress(&mut self, text: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 2 + 1_000);
        self.deflater.compress_vec(text, &mut out, flush).unwrap();
        out
    }

    /// Compresses a message by RFC 7692, section 7.2.1. Its last block is not final.
    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = self.compress(text, FlushCompress::Sync);
        match out.strip_suffix(&SYNC_FLUSH_TAIL) {
            Some(rest) => out.truncate(rest.len()),
            None => out.push(EMPTY_MESSAGE),
        }
        self.reset_deflater();
        out
    }

    /// Compresses a message whose last block is final, optionally with the byte after it.
    fn final_message(&mut self, text: &[u8], has_byte: bool) -> Vec<u8> {
        let mut out = self.compress(text, FlushCompress::Finish);
        self.deflater.reset();
        if has_byte {
            out.push(EMPTY_MESSAGE);
        }
        out
    }

    fn reset_deflater(&mut self) {
        if self.no_context_takeover {
            self.deflater.reset();
        }
    }

    /// Decompresses a message of the host, with its tail (RFC 7692, section 7.2.2). All bytes must be used.
    fn decompress(&mut self, message: &[u8]) -> Vec<u8> {
        assert!(!message.is_empty(), "an empty message has one byte");
        if self.no_context_takeover {
            self.inflater.reset(false);
        }
        let bytes = [message, &SYNC_FLUSH_TAIL].concat();
        let mut out = Vec::with_capacity(2_000_000);
        let start = self.inflater.total_in();
        self.inflater.decompress_vec(&bytes, &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(self.inflater.total_in() - start, bytes.len() as u64);
        out
    }
}

#[test]
fn rfc_7692_7_2_3_6_a_message_after_an_empty_one_is_complete() {
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (mut deflater, mut inflater) = codec_pair(mode);
        let mut peer = Peer::new(mode == DeflateMode::NoContextTakeover);
        for text in ["", "", "hello", "", "world", "", "", "hello"] {
            let ours = deflater.deflate(text.as_bytes());
            assert_eq!(peer.decompress(&ours), text.as_bytes(), "{mode:?}");
            let theirs = peer.message(text.as_bytes());
            assert_eq!(inflater.inflate(&theirs, 100).unwrap(), text, "{mode:?}");
        }
    }
}

#[test]
fn rfc_7692_7_2_3_6_an_empty_message_after_another_is_one_zero_byte() {
    let (mut deflater, _) = codec_pair(DeflateMode::ContextTakeover);
    deflater.deflate(b"hello");
    assert_eq!(deflater.deflate(b""), [0].as_slice());
}

#[test]
fn a_message_without_a_byte_is_empty() {
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = codec_pair(mode);
        let mut peer = Peer::new(mode == DeflateMode::NoContextTakeover);
        for text in ["hello", "world"] {
            assert_eq!(inflater.inflate(&peer.message(text.as_bytes()), 100).unwrap(), text);
            assert_eq!(inflater.inflate(&[], 100).unwrap(), "");
        }
    }
}

#[test]
fn rfc_7692_7_2_3_4_a_final_block_may_end_every_message() {
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        for message in [&FINAL_HELLO[..], &FINAL_HELLO[..7]] {
            let (_, mut inflater) = codec_pair(mode);
            for _ in 0..3 {
                assert_eq!(inflater.inflate(message, 100).unwrap(), "Hello", "{mode:?}");
            }
            assert_eq!(inflater.inflate(&[EMPTY_MESSAGE], 100).unwrap(), "");
            assert_eq!(inflater.inflate(message, 100).unwrap(), "Hello", "{mode:?}");
        }
    }
}

#[test]
fn all_streams_of_a_message_are_decompressed() {
    let twice = [&FINAL_HELLO[..7], &FINAL_HELLO].concat();
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = codec_pair(mode);
        assert_eq!(inflater.inflate(&twice, 100).unwrap(), "HelloHello");
        assert_eq!(inflater.inflate(&twice, 9), Err(InflateError::TooLong(10)));
    }
}

#[test]
fn rfc_7692_7_2_3_5_all_blocks_of_a_message_are_decompressed() {
    // The example of the RFC: blocks with "He", nothing, and "llo".
    let blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = codec_pair(mode);
        for _ in 0..2 {
            assert_eq!(inflater.inflate(&blocks, 100).unwrap(), "Hello");
        }
    }
}

#[test]
fn bytes_after_a_final_block_must_be_a_stream() {
    for mode in [DeflateMode::NoContextTakeover, DeflateMode::ContextTakeover] {
        let (_, mut inflater) = codec_pair(mode);
        let message = [&FINAL_HELLO[..7], &[0xff; 9]].concat();
        assert_eq!(inflater.inflate(&message, 100), Err(InflateError::Corrupt));
    }
}

#[test]
fn many_empty_streams_in_a_message_are_accepted() {
    let (_, mut inflater) = codec_pair(DeflateMode::ContextTakeover);
    // An empty final block has two bytes.
    let message = [3, 0].repeat(500_000);
    assert_eq!(inflater.inflate(&message, 100).unwrap(), "");
    assert_eq!(inflater.inflate(&FINAL_HELLO, 100).unwrap(), "Hello");
}

/// One message of a peer.
#[derive(Debug, Clone)]
enum TestMessage {
    /// With one block, as most peers send it.
    OneBlock(Vec<u8>),
    /// With several flushed blocks.
    Blocks(Vec<Vec<u8>>),
    /// With several streams, each with a final block, optionally followed by a byte.
    Streams(Vec<Vec<u8>>, bool),
    /// With two streams, of which only the first has a final block.
    Mixed(Vec<u8>, Vec<u8>),
    /// Without a byte.
    NoBytes,
}

fn test_message() -> impl Strategy<Value = TestMessage> {
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
        text().prop_map(TestMessage::OneBlock),
        texts().prop_map(TestMessage::Blocks),
        (texts(), any::<bool>()).prop_map(|(texts, byte)| TestMessage::Streams(texts, byte)),
        (text(), text()).prop_map(|(first, last)| TestMessage::Mixed(first, last)),
        Just(TestMessage::NoBytes),
    ]
}

impl TestMessage {
    /// Returns the compressed bytes and the text.
    fn encode(&self, peer: &mut Peer) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::OneBlock(text) => (peer.message(text), text.clone()),
            Self::Blocks(texts) => {
                let (last, first) = texts.split_last().unwrap();
                let mut bytes = Vec::new();
                for text in first {
                    bytes.extend(peer.compress(text, FlushCompress::Sync));
                }
                bytes.extend(peer.message(last));
                (bytes, texts.concat())
            }
            Self::Streams(texts, byte) => {
                let (last, first) = texts.split_last().unwrap();
                let mut bytes = Vec::new();
                for text in first {
                    bytes.extend(peer.final_message(text, false));
                }
                bytes.extend(peer.final_message(last, *byte));
                (bytes, texts.concat())
            }
            Self::Mixed(first, last) => {
                let bytes = [peer.final_message(first, false), peer.message(last)].concat();
                (bytes, [&**first, last].concat())
            }
            Self::NoBytes => (Vec::new(), Vec::new()),
        }
    }
}

proptest! {
    #[test]
    fn rfc_7692_7_2_every_encoding_of_a_message_is_decompressed(
        messages in prop::collection::vec(test_message(), 1..8),
        client_no_context_takeover: bool,
        route_no_context_takeover: bool,
    ) {
        let offer = if client_no_context_takeover { "permessage-deflate; client_no_context_takeover" } else { "permessage-deflate" };
        let mode = if route_no_context_takeover { DeflateMode::NoContextTakeover } else { DeflateMode::ContextTakeover };
        let (params, _) = negotiate(offer, mode).unwrap();
        let mut inflater = Inflater::new(&params);
        let mut peer = Peer::new(client_no_context_takeover || route_no_context_takeover);
        for message in messages {
            let (bytes, text) = message.encode(&mut peer);
            let decompressed = inflater.inflate(&bytes, text.len());
            prop_assert_eq!(decompressed, Ok(Bytes::from(text)));
        }
    }

    #[test]
    fn rfc_7692_7_2_every_message_of_the_host_can_be_decompressed(
        texts in prop::collection::vec(prop_oneof![Just(Vec::new()), prop::collection::vec(0_u8..4, 0..9_000)], 1..8),
        server_no_context_takeover: bool,
        bits in 9_u8..=15,
    ) {
        let mut offer = format!("permessage-deflate; server_max_window_bits={bits}");
        if server_no_context_takeover {
            offer += "; server_no_context_takeover";
        }
        let (params, _) = negotiate(&offer, DeflateMode::ContextTakeover).unwrap();
        let mut deflater = Deflater::new(&params);
        let mut peer = Peer::new(server_no_context_takeover);
        peer.inflater = Decompress::new_with_window_bits(false, bits);
        for text in texts {
            prop_assert_eq!(peer.decompress(&deflater.deflate(&text)), text);
        }
    }
}
