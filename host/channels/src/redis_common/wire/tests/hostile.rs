//! Tests with hostile bytes, and with consumers that forge addresses.

use super::*;
use crate::redis_common::wire::json_reader::JsonError;
use narrowboat_core::message::MAX_DEPTH;
use proptest::prelude::*;

const ADDRESS: &[u8] = b"\xb0__asgi_channel__";

/// Returns a map of `pairs` pairs.
fn map(pairs: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[0x80 | pairs], parts.concat().as_slice()].concat()
}

#[test]
fn address_in_a_consumers_message_is_removed() {
    let forged = message(&[&map(
        4,
        &[ADDRESS, b"\xa6victim", b"\xa4type\xa1t", ADDRESS, b"\x91\xa6victim", b"\xa1x\x01"],
    )]);
    let honest = message(&[b"\x82\xa4type\xa1t\xa1x\x01"]);
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        let codec = plain(serializer);
        for to in
            [WireAddress::Implicit, WireAddress::Channel("own"), WireAddress::Channels(&["own"])]
        {
            let wire = codec.encode(&forged, to).unwrap();
            assert_eq!(wire, codec.encode(&honest, to).unwrap());
            let decoded = decode(&codec, &wire).unwrap();
            let names = if to == WireAddress::Implicit { vec![] } else { vec!["own"] };
            assert_eq!(opened(&decoded), (&honest, names));
        }
    }
}

#[test]
fn nested_address_key_is_kept() {
    let nested = message(&[b"\x82\xa4type\xa1t\xa1x\x81", ADDRESS, b"\xa1y"]);
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        let codec = plain(serializer);
        let wire = codec.encode(&nested, WireAddress::Channel("own")).unwrap();
        assert_eq!(opened(&decode(&codec, &wire).unwrap()), (&nested, vec!["own"]));
    }
}

#[test]
fn last_of_several_addresses_counts_and_all_are_removed() {
    let wire = map(4, &[ADDRESS, b"\xa1a", b"\xa4type\xa1t", ADDRESS, b"\xa1b", b"\xa1x\x01"]);
    let decoded = decode(&plain(Serializer::Msgpack), &wire).unwrap();
    assert_eq!(opened(&decoded), (&message(&[b"\x82\xa4type\xa1t\xa1x\x01"]), vec!["b"]));
}

#[test]
fn address_is_a_name_or_an_array_of_names() {
    let codec = plain(Serializer::Msgpack);
    for value in [
        &b"\xc0"[..],
        b"\x01",
        b"\xc4\x01a",
        b"\x80",
        b"\x91\x01",
        b"\x92\xa1a\xc0",
        b"\x91\x91\xa1a",
    ] {
        let wire = map(2, &[b"\xa4type\xa1t", ADDRESS, value]);
        assert_eq!(decode(&codec, &wire), Err(WireError::BadAddress), "{value:x?}");
    }
    let wire = map(2, &[b"\xa4type\xa1t", ADDRESS, b"\x90"]);
    let decoded = decode(&codec, &wire).unwrap();
    assert!(decoded.is_addressed() && decoded.names().next().is_none());
}

#[test]
fn number_of_names_is_limited() {
    let codec = plain(Serializer::Msgpack);
    let sent = message(&[b"\x81\xa4type\xa1t"]);
    let most = vec!["a!b"; MAX_ADDRESS_NAMES];
    let wire = codec.encode(&sent, WireAddress::Channels(&most)).unwrap();
    let decoded = decode(&codec, &wire).unwrap();
    assert_eq!(opened(&decoded), (&sent, most.clone()));

    let more = [&["c"], most.as_slice()].concat();
    let wire = codec.encode(&sent, WireAddress::Channels(&more)).unwrap();
    let error =
        WireError::TooManyNames { count: MAX_ADDRESS_NAMES as u64 + 1, max: MAX_ADDRESS_NAMES };
    assert_eq!(decode(&codec, &wire), Err(error));
}

#[test]
fn bytes_cannot_be_encoded_as_json() {
    let codec = plain(Serializer::Json);
    let value = message(&[b"\x82\xa4type\xa1t\xa1x\x91\xc4\x01a"]);
    assert_eq!(codec.encode(&value, WireAddress::Implicit), Err(WireError::BytesInJson { at: 11 }));
    let key = message(&[b"\x82\xa4type\xa1t\xa1x\x81\xc4\x01a\x01"]);
    let error = codec.encode(&key, WireAddress::Implicit).unwrap_err();
    assert_eq!(error, WireError::BytesInJson { at: 11 });
    assert!(error.to_string().contains("serializer"), "{error}");
}

#[test]
fn invalid_messages_are_refused() {
    use MessageError as E;
    let cases: &[(&[u8], E)] = &[
        (b"", E::Truncated { at: 0 }),
        (b"\x92\x01\x02", E::NotAMap),
        (b"\xc0", E::NotAMap),
        (b"\x81\x01\x02", E::KeyNotString { at: 1 }),
        (b"\x81\xa4type\xa1t\x00", E::TrailingBytes { at: 8 }),
        (b"\x81\xb0__asgi_channel__\xa1a", E::NoType),
        (b"\x81\xa4type\xd4\x01\x00", E::Unsupported { at: 6, marker: 0xd4 }),
        (b"\xdf\xff\xff\xff\xff\xa1a", E::Truncated { at: 7 }),
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", E::Truncated { at: 3 }),
        (b"\x81\xa1a\xdb\xff\xff\xff\xffabc", E::Truncated { at: 3 }),
    ];
    for (wire, error) in cases {
        let found = decode(&plain(Serializer::Msgpack), wire).unwrap_err();
        assert_eq!(found, WireError::Message(*error), "{wire:x?}");
    }
}

#[test]
fn invalid_json_is_refused() {
    use JsonError as E;
    let cases: &[(&[u8], E)] = &[
        (b"", E::Unexpected { at: 0 }),
        (b"{\"a\"}", E::Unexpected { at: 4 }),
        (b"{\"a\":1,}", E::Unexpected { at: 7 }),
        (b"{1:1}", E::Unexpected { at: 1 }),
        (b"[1 2]", E::Unexpected { at: 3 }),
        (b"[01]", E::Unexpected { at: 2 }),
        (b"[1.]", E::Unexpected { at: 3 }),
        (b"[-]", E::Unexpected { at: 2 }),
        (b"[1e]", E::Unexpected { at: 3 }),
        (b"[nul]", E::Unexpected { at: 4 }),
        (b"{} {}", E::Unexpected { at: 3 }),
        (b"\"a\nb\"", E::Unexpected { at: 2 }),
        (b"\"\\x\"", E::Unexpected { at: 2 }),
        (b"\"\\u12g4\"", E::Unexpected { at: 5 }),
        (b"\"\\ud800\"", E::LoneSurrogate { at: 7 }),
        (b"\"\\udc00\"", E::LoneSurrogate { at: 6 }),
        (b"\"\\ud800\\u0061\"", E::LoneSurrogate { at: 12 }),
        (b"\"a\xff\"", E::NotUtf8 { at: 2 }),
        (b"[18446744073709551616]", E::LargeInteger { at: 1 }),
        (b"[-9223372036854775809]", E::LargeInteger { at: 1 }),
    ];
    let expected: Vec<(&[u8], WireError)> =
        cases.iter().map(|(wire, error)| (*wire, WireError::from(*error))).collect();
    let codec = plain(Serializer::Json);
    let errors = cases.iter().map(|(wire, _)| (*wire, decode(&codec, wire).unwrap_err()));
    assert_eq!(errors.collect::<Vec<_>>(), expected);
    let not_a_map = WireError::Message(MessageError::NotAMap);
    assert_eq!(decode(&plain(Serializer::Json), b"[1]"), Err(not_a_map));
}

#[test]
fn depth_is_limited() {
    let lists = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let json = |depth| [b"{\"type\": \"t\", \"x\": ", lists(depth).as_slice(), b"}"].concat();
    let msgpack =
        |depth| [b"\x82\xa4type\xa1t\xa1x", vec![0x91; depth].as_slice(), b"\xc0"].concat();
    assert!(decode(&plain(Serializer::Json), &json(MAX_DEPTH - 1)).is_ok());
    assert!(decode(&plain(Serializer::Msgpack), &msgpack(MAX_DEPTH - 1)).is_ok());
    for depth in [MAX_DEPTH, 100_000] {
        let too_deep = JsonError::TooDeep { at: 19 + MAX_DEPTH - 1 };
        assert_eq!(decode(&plain(Serializer::Json), &json(depth)), Err(too_deep.into()));
        let too_deep = MessageError::TooDeep { at: 10 + MAX_DEPTH - 1 };
        assert_eq!(decode(&plain(Serializer::Msgpack), &msgpack(depth)), Err(too_deep.into()));
    }
}

#[test]
fn size_is_limited_before_and_after_decoding() {
    let codec = codec_with(Serializer::Msgpack, &[], 12, None);
    let short = WireError::TooShort { len: 11, prefix: 12 };
    assert_eq!(decode(&codec, &[0; 11]), Err(short));
    let error = decode(&codec, &vec![0; 20 * MAX]).unwrap_err();
    assert!(matches!(error, WireError::TooLarge { len, .. } if len == 20 * MAX));

    let largest = |len: usize| {
        let len = u32::try_from(len - 15).unwrap().to_be_bytes();
        let zeros = vec![0; u32::from_be_bytes(len) as usize];
        [b"\x82\xa4type\xa1t\xa1x\xc6", len.as_slice(), &zeros].concat()
    };
    let sent = message(&[&largest(MAX)]);
    let wire = codec.encode(&sent, WireAddress::Channel("a")).unwrap();
    assert_eq!(opened(&decode(&codec, &wire).unwrap()), (&sent, vec!["a"]));
    let wire = [&[0; 12], largest(MAX + 1).as_slice()].concat();
    let large = MessageError::TooLarge { len: MAX + 1, max: MAX };
    assert_eq!(decode(&codec, &wire), Err(large.into()));
}

#[test]
fn undecryptable_values_are_refused() {
    let codec = codec_with(Serializer::Msgpack, &["a-secret"], 0, Some(70));
    let sent = message(&[b"\x88", PAIRS]);
    let other = codec_with(Serializer::Msgpack, &["another"], 0, None);
    let clear = plain(Serializer::Msgpack);
    // A token from the year 584,554,051,223 that no key of this test made.
    let future = b"gP__________AAAAAAAAAAAAAAAAAAAAAJlDgNyhiVGkO9NQkhtgg5Ue687OEP611r-l_N810D1eUUuGFTLifvJFlyfXJWPitA==";
    let wires = [
        other.encode(&sent, WireAddress::Implicit).unwrap(),
        clear.encode(&sent, WireAddress::Implicit).unwrap(),
        future.to_vec(),
        vec![],
    ];
    for wire in wires {
        assert_eq!(decode(&codec, &wire), Err(WireError::Undecryptable));
    }
    let token = codec.encode(&sent, WireAddress::Implicit).unwrap();
    for end in 0..token.len() - 2 {
        assert_eq!(decode(&codec, &token[..end]), Err(WireError::Undecryptable), "{end}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let sent = message(&[b"\x82\xa4type\xa1t\xa1x\xa2\xc3\xa9"]);
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        let codec = plain(serializer);
        let wire = codec.encode(&sent, WireAddress::Channels(&["a!1", "a!2"])).unwrap();
        for end in 0..wire.len() {
            assert!(decode(&codec, &wire[..end]).is_err(), "{end}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in [
            plain(Serializer::Msgpack),
            plain(Serializer::Json),
            codec_with(Serializer::Msgpack, &["a-secret"], 12, Some(70)),
        ] {
            let _ = decode(&codec, &bytes);
            let _ = decode(&codec, &[b"\x93\xb0narrowboat.frame", bytes.as_slice()].concat());
        }
    }

    #[test]
    fn modified_json_is_accepted_if_serde_json_accepts_it(
        at in any::<prop::sample::Index>(),
        cut in 0..3_usize,
        patch in r#"[\[\]{}",:0-9eE.\-+ \\untrfalsNI]{0,2}"#,
    ) {
        let mut text = r#"{"a": [1, -20.5e+3, 0.1, "\u00e9\n\ud83d\ude00", true, null], "b": {}}"#.to_owned();
        let at = at.index(text.len());
        text.replace_range(at..text.len().min(at + cut), &patch);
        let result = json_reader::read(text.as_bytes());
        let oracle = serde_json::from_str::<serde_json::Value>(&text);
        // An exponent that is too large is infinite in Python.
        let is_infinite = oracle.as_ref().is_err_and(|error| error.to_string().contains("range"));
        prop_assert!(is_infinite || result.is_ok() == oracle.is_ok(), "{text} {result:?} {oracle:?}");
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let sent = message(&[b"\x82\xa4type\xa1t\xa1x\xa2\xc3\xa9"]);
        for serializer in [Serializer::Msgpack, Serializer::Json] {
            let codec = plain(serializer);
            let mut wire = codec.encode(&sent, WireAddress::Channels(&["a!1", "a!2"])).unwrap();
            let at = at.index(wire.len());
            wire[at] = byte;
            if let Ok(decoded) = decode(&codec, &wire) {
                prop_assert!(decoded.names().count() <= 2);
            }
        }
    }
}
