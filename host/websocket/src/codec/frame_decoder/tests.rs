use proptest::prelude::*;

use super::*;
use crate::codec::deflate::DeflateParams;
use crate::codec::extension::Extension;
use narrowboat_config::DeflateMode;
use narrowboat_core::fault::Fault;

const LIMITS: IncomingLimits = IncomingLimits { max_message: 300, max_frame: 200 };

fn decoder(is_deflated: bool) -> FrameDecoder {
    let offers = Extension::parse_all([&b"permessage-deflate"[..]]).unwrap();
    let negotiated = DeflateParams::negotiate(&offers, DeflateMode::ContextTakeover);
    let inflater = negotiated.filter(|_| is_deflated).map(|(params, _)| Inflater::new(&params));
    FrameDecoder::new(LIMITS, inflater)
}

/// Generates a masked frame. The first byte and the payload may be invalid.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first_byte = prop_oneof![
        prop::sample::select(vec![
            0x01, 0x02, 0x41, 0x42, 0x00, 0x80, 0x81, 0x82, 0xc1, 0x89, 0x88
        ]),
        any::<u8>(),
    ];
    let payload = prop_oneof![
        "[a-zé]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..126),
        prop::collection::vec(any::<u8>(), 126..320),
    ];
    (first_byte, payload, any::<[u8; 4]>()).prop_map(|(first_byte, mut payload, mask)| {
        let mut bytes = vec![first_byte];
        match payload.len() {
            len @ 0..126 => bytes.push(0x80 | len as u8),
            len => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
        }
        bytes.extend(mask);
        unmask(&mut payload, mask);
        bytes.extend(payload);
        bytes
    })
}

/// Decodes chunks until they end or a fault. Returns the events and the fault.
fn decode<'a>(
    is_deflated: bool,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<ClientFault>) {
    let (mut decoder, mut events) = (decoder(is_deflated), Vec::new());
    for chunk in chunks {
        decoder.push_bytes(BytesMut::from(chunk));
        loop {
            match decoder.next_event() {
                Ok(Some(IncomingEvent::Message(frame))) => {
                    assert!(frame.len() <= LIMITS.max_message);
                    events.push(format!("{frame:?}"));
                }
                Ok(Some(other)) => events.push(format!("{other:?}")),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
        decoder.own_buffer();
        assert!(decoder.missing_bytes() <= max_deflated_len(LIMITS.max_frame));
    }
    (events, None)
}

proptest! {
    #[test]
    fn chunks_of_any_size_decode_to_the_same_events(
        frames in prop::collection::vec(frame(), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        chunk_len in 1_usize..40,
        is_deflated: bool,
    ) {
        let mut bytes = frames.concat();
        for (index, byte) in changes {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let at_once = decode(is_deflated, std::iter::once(&*bytes));
        prop_assert_eq!(at_once, decode(is_deflated, bytes.chunks(chunk_len)));
    }
}

/// Returns a short frame with a mask of zeros.
fn short_frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    [&[first_byte, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[test]
fn discarded_messages_are_not_decompressed_or_checked() {
    let mut decoder = decoder(true);
    decoder.push_bytes(BytesMut::from(&*short_frame(0x01, b"start")));
    assert!(decoder.next_event().unwrap().is_none());
    decoder.discard_messages();
    // The rest of the message, an invalid deflate stream, invalid UTF-8, and more bytes than a message may have.
    let frames =
        [short_frame(0x80, b"\xff"), short_frame(0xc1, &[0xff; 40]), short_frame(0x81, b"\xff")]
            .concat();
    decoder.push_bytes(BytesMut::from(&*frames));
    assert!(decoder.next_event().unwrap().is_none());
    decoder.push_bytes(BytesMut::from(&*short_frame(0x02, &[0; 100])));
    for _ in 0..2 * LIMITS.max_message / 100 {
        decoder.push_bytes(BytesMut::from(&*short_frame(0x00, &[0; 100])));
        assert!(decoder.next_event().unwrap().is_none());
    }
    decoder.push_bytes(BytesMut::from(&*[short_frame(0x80, b""), short_frame(0x88, b"")].concat()));
    assert!(matches!(decoder.next_event(), Ok(Some(IncomingEvent::Close(_)))));
}

#[test]
fn rfc_6455_5_4_the_order_of_discarded_frames_is_checked() {
    for frames in [
        [short_frame(0x01, b""), short_frame(0x01, b"")],
        [short_frame(0x81, b""), short_frame(0x80, b"")],
    ] {
        let mut decoder = decoder(false);
        decoder.discard_messages();
        decoder.push_bytes(BytesMut::from(&*frames.concat()));
        assert!(matches!(decoder.next_event(), Err(ClientFault::Protocol(_))));
    }
}

#[test]
fn the_examples_of_reasons_are_those_of_the_decoder() {
    let too_long = Fault::Client(too_long_fault(70_000, 65_536)).close_frame();
    assert_eq!(too_long, HostClose::MessageTooBig.frame());
    let mut decoder = decoder(false);
    decoder.push_bytes(BytesMut::from(&[0x81_u8, 0x00][..]));
    let unmasked = Fault::Client(decoder.next_event().unwrap_err()).close_frame();
    assert_eq!(unmasked, HostClose::ProtocolRuleBroken.frame());
}
