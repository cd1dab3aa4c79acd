use proptest::prelude::*;

use super::*;
use crate::codec::deflate::DeflateParams;
use crate::codec::extension::Extension;
use narrowboat_config::DeflateMode;

const LIMITS: IncomingLimits = IncomingLimits { max_message: 300, max_frame: 200 };

fn decoder(deflates: bool) -> FrameDecoder {
    let offers = Extension::parse_all([&b"permessage-deflate"[..]]).unwrap();
    let agreed = DeflateParams::negotiate(&offers, DeflateMode::ContextTakeover);
    let inflater = agreed.filter(|_| deflates).map(|(agreement, _)| Inflater::new(&agreement));
    FrameDecoder::new(LIMITS, inflater)
}

/// A frame of a peer, its first two bits of the length as they come.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
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
    (first, payload, any::<[u8; 4]>()).prop_map(|(first, mut payload, mask)| {
        let mut bytes = vec![first];
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

/// What is read until the bytes end or are wrong.
fn read<'a>(
    deflates: bool,
    parts: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<ClientFault>) {
    let (mut decoder, mut said) = (decoder(deflates), Vec::new());
    for part in parts {
        decoder.push_bytes(BytesMut::from(part));
        loop {
            match decoder.next_event() {
                Ok(Some(IncomingEvent::Message(frame))) => {
                    assert!(frame.len() <= LIMITS.max_message);
                    said.push(format!("{frame:?}"));
                }
                Ok(Some(other)) => said.push(format!("{other:?}")),
                Ok(None) => break,
                Err(fault) => return (said, Some(fault)),
            }
        }
        decoder.own_buffer();
        assert!(decoder.missing_bytes() <= max_deflated_len(LIMITS.max_frame));
    }
    (said, None)
}

proptest! {
    #[test]
    fn bytes_read_alike_however_they_are_cut(
        frames in prop::collection::vec(frame(), 0..8),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        size in 1_usize..40,
        deflates: bool,
    ) {
        let mut bytes = frames.concat();
        for (place, byte) in spoilt {
            if !bytes.is_empty() {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let whole = read(deflates, std::iter::once(&*bytes));
        prop_assert_eq!(whole, read(deflates, bytes.chunks(size)));
    }
}

/// A frame of a peer that is short and masked with zeros.
fn short(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[test]
fn what_is_discarded_is_neither_inflated_nor_read_as_text() {
    let mut decoder = decoder(true);
    decoder.push_bytes(BytesMut::from(&*short(0x01, b"begun")));
    assert!(decoder.next_event().unwrap().is_none());
    decoder.discard_messages();
    // The rest of what was begun, what is no deflate stream, what is no text, and far more than a message may have.
    let crossing = [short(0x80, b"\xff"), short(0xc1, &[0xff; 40]), short(0x81, b"\xff")].concat();
    decoder.push_bytes(BytesMut::from(&*crossing));
    assert!(decoder.next_event().unwrap().is_none());
    decoder.push_bytes(BytesMut::from(&*short(0x02, &[0; 100])));
    for _ in 0..2 * LIMITS.max_message / 100 {
        decoder.push_bytes(BytesMut::from(&*short(0x00, &[0; 100])));
        assert!(decoder.next_event().unwrap().is_none());
    }
    decoder.push_bytes(BytesMut::from(&*[short(0x80, b""), short(0x88, b"")].concat()));
    assert!(matches!(decoder.next_event(), Ok(Some(IncomingEvent::Close(_)))));
}

#[test]
fn rfc_6455_5_4_frames_that_are_discarded_are_still_held_to_their_order() {
    for wrong in [[short(0x01, b""), short(0x01, b"")], [short(0x81, b""), short(0x80, b"")]] {
        let mut decoder = decoder(false);
        decoder.discard_messages();
        decoder.push_bytes(BytesMut::from(&*wrong.concat()));
        assert!(matches!(decoder.next_event(), Err(ClientFault::Protocol(_))));
    }
}
