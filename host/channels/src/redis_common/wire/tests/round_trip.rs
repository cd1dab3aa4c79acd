//! Tests that decoding inverts encoding.

use super::*;
use crate::redis_common::wire::packer::Packer;
use proptest::prelude::*;

/// A value of a message.
#[derive(Clone, Debug)]
enum Item {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

impl Item {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut packer = Packer(out);
        match self {
            Self::Nil => packer.nil(),
            Self::Bool(value) => packer.bool(*value),
            Self::Unsigned(number) => packer.unsigned(*number),
            Self::Signed(number) => packer.signed(*number),
            Self::Float(number) => packer.float(*number),
            Self::Text(text) => packer.text(text),
            Self::Bytes(bytes) => packer.bytes(bytes),
            Self::List(items) => {
                packer.array_header(items.len());
                items.iter().for_each(|item| item.pack(out));
            }
            Self::Map(pairs) => {
                packer.map_header(pairs.len() as u64);
                for (key, item) in pairs {
                    Packer(out).text(key);
                    item.pack(out);
                }
            }
        }
    }
}

fn item(with_bytes: bool) -> impl Strategy<Value = Item> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(Item::Bytes);
    let scalar = prop_oneof![
        Just(Item::Nil),
        any::<bool>().prop_map(Item::Bool),
        any::<u64>().prop_map(Item::Unsigned),
        (-40_000..40_000_i64).prop_map(Item::Signed),
        any::<i64>().prop_map(Item::Signed),
        any::<f64>().prop_map(Item::Float),
        any::<f32>().prop_map(|number| Item::Float(number.into())),
        any::<String>().prop_map(Item::Text),
        "[ -~]{0,300}".prop_map(Item::Text),
        if with_bytes { bytes.boxed() } else { Just(Item::Nil).boxed() },
    ];
    scalar.prop_recursive(4, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Item::List),
            prop::collection::vec((any::<String>(), inner), 0..20).prop_map(Item::Map),
        ]
    })
}

fn any_message(with_bytes: bool) -> impl Strategy<Value = Message> {
    prop::collection::vec(("[a-s]{0,8}", item(with_bytes)), 0..20).prop_map(|mut pairs| {
        pairs.push(("type".to_owned(), Item::Text("chat.message".to_owned())));
        let mut out = Vec::new();
        Item::Map(pairs).pack(&mut out);
        message(&[&out])
    })
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-zé]{1,40}!?[a-z]{0,40}", 0..20)
}

/// Asserts that decoding inverts encoding, with and without keys, for each kind of address, and from bytes that are
/// shared or not.
fn assert_round_trip(serializer: Serializer, sent: &Message, names: &[String]) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = names.first().copied().unwrap_or("a!b");
    for keys in [&[][..], &["a-secret"]] {
        let codec = codec_with(serializer, keys, 12, Some(70));
        for (to, expected) in [
            (WireAddress::Implicit, vec![]),
            (WireAddress::Channel(first), vec![first]),
            (WireAddress::Channels(&names), names.clone()),
        ] {
            let wire = Bytes::from(codec.encode(sent, to).unwrap());
            let shared = codec.decode(wire.clone()).unwrap();
            assert_eq!(opened(&shared), (sent, expected.clone()));
            assert_eq!(opened(&codec.decode(wire).unwrap()), (sent, expected));
        }
    }
}

proptest! {
    #[test]
    fn decoding_inverts_encoding_in_msgpack(sent in any_message(true), names in names()) {
        assert_round_trip(Serializer::Msgpack, &sent, &names);
    }

    #[test]
    fn decoding_inverts_encoding_in_json(sent in any_message(false), names in names()) {
        assert_round_trip(Serializer::Json, &sent, &names);
    }
}

#[test]
fn equal_messages_have_different_prefixes() {
    let codec = codec_with(Serializer::Msgpack, &[], 12, None);
    let sent = message(&[b"\x88", PAIRS]);
    let [one, other] = [(); 2].map(|()| codec.encode(&sent, WireAddress::Implicit).unwrap());
    assert_eq!(one[12..], other[12..]);
    assert_ne!(one[..12], other[..12]);
}

#[test]
fn keys_can_be_rotated_one_process_at_a_time() {
    let [old, both, new] = [&["old"][..], &["new", "old"], &["new"]]
        .map(|keys| codec_with(Serializer::Msgpack, keys, 12, Some(70)));
    let sent = message(&[b"\x88", PAIRS]);
    let from_old = old.encode(&sent, WireAddress::Implicit).unwrap();
    assert_eq!(opened(&decode(&both, &from_old).unwrap()).0, &sent);
    let from_both = both.encode(&sent, WireAddress::Implicit).unwrap();
    assert_eq!(opened(&decode(&new, &from_both).unwrap()).0, &sent);
    assert_eq!(decode(&old, &from_both), Err(WireError::Undecryptable));
}

#[test]
fn decoded_message_keeps_neither_many_names_nor_spare_capacity() {
    let names = vec!["specific.0123456789abcdef!0123456789abcdef"; 10_000];
    let sent = message(&[b"\x82\xa4type\xa1t\xa1x\xd9\xc8", &[1; 200]]);
    for codec in [plain(Serializer::Msgpack), plain(Serializer::Json)] {
        for (to, count) in
            [(WireAddress::Implicit, 0), (WireAddress::Channels(&names), names.len())]
        {
            let decoded = decode(&codec, &codec.encode(&sent, to).unwrap()).unwrap();
            assert_eq!(decoded.names().count(), count);
            let Delivery::Message(received) = decoded.delivery else { panic!("it was a message") };
            assert_eq!(received, sent);
            let kept = received.into_bytes().try_into_mut().unwrap().capacity();
            assert!(kept < sent.len() + 16, "{kept}");
        }
    }
}

#[test]
fn message_to_one_channel_is_not_copied() {
    let codec = plain(Serializer::Msgpack);
    let sent = message(&[b"\x88", PAIRS]);
    let wire = Bytes::from(codec.encode(&sent, WireAddress::Channel("a!b")).unwrap());
    let place = wire.as_ptr();
    let decoded = codec.decode(wire).unwrap();
    assert_eq!(opened(&decoded).0.bytes().as_ptr(), place);
}
