use super::*;
use proptest::prelude::*;

/// channels_redis's msgpack of `{"type":"chat.message","b":b"\0","u":"é","i":-1,"f":1.5,"t":True,"n":None,"l":[1]}`.
const GOLDEN: &[u8] = b"\x88\xa4type\xacchat.message\xa1b\xc4\x01\x00\xa1u\xa2\xc3\xa9\xa1i\xff\
\xa1f\xcb\x3f\xf8\0\0\0\0\0\0\xa1t\xc3\xa1n\xc0\xa1l\x91\x01";

fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
    Message::parse(Bytes::copy_from_slice(bytes), 1 << 20)
}

/// `{"type": "a", "x": <value>}`
fn with(value: &[u8]) -> Vec<u8> {
    [b"\x82\xa4type\xa1a\xa1x".as_slice(), value].concat()
}

#[test]
fn a_message_of_channels_redis_is_valid() {
    let message = parse(GOLDEN).unwrap();
    assert_eq!((message.message_type(), message.len()), ("chat.message", 53));
    assert_eq!(message.bytes().as_ref(), GOLDEN);
}

#[test]
fn every_truncation_is_refused() {
    for end in 0..GOLDEN.len() {
        assert!(matches!(parse(&GOLDEN[..end]), Err(MessageError::Truncated { .. })), "{end}");
    }
}

#[test]
fn an_error_has_the_position_of_its_byte() {
    use MessageError as E;
    let cases: &[(&[u8], E)] = &[
        (b"", E::Truncated { at: 0 }),
        (b"\x80", E::NoType),
        (b"\x91\xa4type", E::NotAMap),
        (b"\xa4type", E::NotAMap),
        (b"\x83\xa1a\xc0\xa1b\xc0\xa1c\x82\xa1d\x90\xa1e\x90", E::NoType),
        (b"\x81\xa4type\xc0", E::TypeNotString { at: 6 }),
        (b"\x81\xa4type\xc4\x01a", E::TypeNotString { at: 6 }),
        (b"\x81\xa4type\xa0", E::TypeEmpty { at: 6 }),
        (b"\x81\xa4type\xa2_a", E::TypePrivate { at: 6 }),
        (b"\x82\xa4type\xa1a\xa4type\xa1b", E::DuplicateType { at: 13 }),
        (b"\x81\xa4type\xa1a\xc0", E::TrailingBytes { at: 8 }),
        (b"\x81\x01\xa1a", E::KeyNotString { at: 1 }),
        (b"\x81\xc4\x04type\xa1a", E::KeyNotString { at: 1 }),
        (b"\x81\xa4type\xa1\xff", E::NotUtf8 { at: 6 }),
        (b"\x81\xa1\xff\xc0", E::NotUtf8 { at: 1 }),
        (b"\xdf\xff\xff\xff\xff", E::Truncated { at: 0 }),
    ];
    for (bytes, error) in cases {
        assert_eq!(parse(bytes).unwrap_err(), *error, "{bytes:x?}");
    }
}

#[test]
fn nested_values_are_checked() {
    use MessageError as E;
    let cases: &[(&[u8], E)] = &[
        (b"\xc1", E::Unsupported { at: 10, marker: 0xc1 }),
        (b"\xd6\xff\0\0\0\0", E::Unsupported { at: 10, marker: 0xd6 }),
        (b"\xc7\x01\x01\0", E::Unsupported { at: 10, marker: 0xc7 }),
        (b"\x81\x01\xc0", E::InvalidKey { at: 11 }),
        (b"\x81\xc0\xc0", E::InvalidKey { at: 11 }),
        (b"\x81\x90\xc0", E::InvalidKey { at: 11 }),
        (b"\xdd\xff\xff\xff\xff", E::Truncated { at: 10 }),
        (b"\xdd\xff\xff\xff\xff\x01\x02", E::Truncated { at: 10 }),
        (b"\xdb\xff\xff\xff\xffabc", E::Truncated { at: 10 }),
        (b"\xc6\xff\xff\xff\xffabc", E::Truncated { at: 10 }),
        (b"\x91\xa1\xc3", E::NotUtf8 { at: 11 }),
    ];
    for (value, error) in cases {
        assert_eq!(parse(&with(value)).unwrap_err(), *error, "{value:x?}");
    }
    assert!(parse(&with(b"\x82\xc4\x01k\xc0\xa1k\x81\xa4type\xa0")).is_ok());
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| with(&[vec![0x91; depth], vec![0xc0]].concat());
    assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
    assert_eq!(
        parse(&nested(MAX_DEPTH)).unwrap_err(),
        MessageError::TooDeep { at: 10 + MAX_DEPTH - 1 }
    );
}

#[test]
fn size_is_limited() {
    let bytes = Bytes::from_static(GOLDEN);
    assert!(Message::parse(bytes.clone(), 53).is_ok());
    assert_eq!(Message::parse(bytes, 52).unwrap_err(), MessageError::TooLarge { len: 53, max: 52 });
}

fn text(text: &str) -> Vec<u8> {
    let len = text.len();
    let head = match len {
        0..=31 => vec![0xa0 | u8::try_from(len).unwrap()],
        _ => vec![0xda, u8::try_from(len >> 8).unwrap(), u8::try_from(len & 255).unwrap()],
    };
    [head, text.as_bytes().to_vec()].concat()
}

fn scalar() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop_oneof![Just(0xc0_u8), Just(0xc2), Just(0xc3), 0..0x80_u8, 0xe0..=0xff_u8]
            .prop_map(|byte| vec![byte]),
        any::<i64>().prop_map(|n| [vec![0xd3], n.to_be_bytes().to_vec()].concat()),
        any::<f64>().prop_map(|n| [vec![0xcb], n.to_be_bytes().to_vec()].concat()),
        any::<u16>().prop_map(|n| [vec![0xcd], n.to_be_bytes().to_vec()].concat()),
        ".{0,40}".prop_map(|value| text(&value)),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|value| [
            vec![0xc4, u8::try_from(value.len()).unwrap()],
            value
        ]
        .concat()),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    scalar().prop_recursive(4, 40, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
            [vec![0x90 | u8::try_from(items.len()).unwrap()], items.concat()].concat()
        });
        let map = prop::collection::vec((".{0,3}", inner), 0..4).prop_map(|pairs| {
            let body: Vec<u8> =
                pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
            [vec![0xde, 0, u8::try_from(pairs.len()).unwrap()], body].concat()
        });
        prop_oneof![list, map]
    })
}

/// Bytes of a message, and its type.
fn well_formed() -> impl Strategy<Value = (Vec<u8>, String)> {
    let kind = "[a-z.é][a-z._]{0,40}";
    (kind, prop::collection::vec(("[a-s]{1,5}", value()), 0..5), any::<prop::sample::Index>())
        .prop_map(|(kind, mut pairs, place)| {
            pairs.insert(place.index(pairs.len() + 1), ("type".into(), text(&kind)));
            let body: Vec<u8> =
                pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
            ([vec![0x80 | u8::try_from(pairs.len()).unwrap()], body].concat(), kind)
        })
}

proptest! {
    #[test]
    fn a_well_formed_map_is_taken_as_it_is((bytes, kind) in well_formed()) {
        let message = parse(&bytes).unwrap();
        prop_assert_eq!(message.message_type(), kind);
        prop_assert_eq!(message.into_bytes(), Bytes::from(bytes));
    }

    #[test]
    fn a_shortened_or_lengthened_map_is_refused((bytes, _) in well_formed(), cut in any::<prop::sample::Index>()) {
        prop_assert!(parse(&bytes[..cut.index(bytes.len())]).is_err());
        let trailing = MessageError::TrailingBytes { at: bytes.len() };
        prop_assert_eq!(parse(&[bytes, vec![0xc0]].concat()), Err(trailing));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&with(&bytes));
    }

    #[test]
    fn a_changed_byte_never_panics(
        (mut bytes, _) in well_formed(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(message) = parse(&bytes) {
            prop_assert!(!message.message_type().is_empty());
        }
    }
}
