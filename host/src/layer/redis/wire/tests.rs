//! Golden bytes are what channels_redis 4.3.0 writes and reads.

use super::*;
use crate::config::{RedisConfig, RedisHost, RedisServer, Secret};
use proptest::prelude::*;

fn config(serializer: Serializer, keys: &[&str]) -> RedisConfig {
    RedisConfig {
        hosts: vec![RedisHost::Server(RedisServer::default())],
        prefix: "asgi".to_owned(),
        symmetric_encryption_keys: keys.iter().map(|key| Secret::from((*key).to_owned())).collect(),
        serializer,
        random_prefix_length: 12,
    }
}

fn codec(serializer: Serializer, keys: &[&str]) -> Codec {
    Codec::new(&config(serializer, keys), 12, Some(Duration::from_secs(70)), 1 << 20)
}

fn plain() -> Codec {
    codec(Serializer::Msgpack, &[])
}

fn message(bytes: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(bytes), usize::MAX).unwrap()
}

fn hello() -> Message {
    message(b"\x82\xa4type\xacchat.message\xa4text\xa2hi")
}

fn names(parcel: &Parcel) -> Vec<String> {
    parcel.names().map(str::to_owned).collect()
}

#[test]
fn a_message_is_written_as_python_packs_it() {
    let to = ["specific.a!1".to_owned(), "b".to_owned()];
    let wires = [
        (To::Key, &b"\x82\xa4type\xacchat.message\xa4text\xa2hi"[..]),
        (
            To::Channel("b"),
            b"\x83\xa4type\xacchat.message\xa4text\xa2hi\xb0__asgi_channel__\xa1b",
        ),
        (
            To::Channels(&to),
            b"\x83\xa4type\xacchat.message\xa4text\xa2hi\xb0__asgi_channel__\x92\xacspecific.a!1\xa1b",
        ),
    ];
    for (to, golden) in wires {
        let wire = plain().encode(&hello(), to).unwrap();
        assert_eq!(&wire[12..], golden);
    }
}

#[test]
fn two_equal_messages_have_different_bytes() {
    let wire = || plain().encode(&hello(), To::Key).unwrap();
    assert_ne!(wire(), wire());
}

#[test]
fn a_sender_cannot_name_receivers_itself() {
    let forged =
        message(b"\x83\xb0__asgi_channel__\xa1x\xa4type\xa1a\xb0__asgi_channel__\x91\xa1y");
    let wire = plain().encode(&forged, To::Channel("z")).unwrap();
    let parcel = plain().decode(wire.into()).unwrap();
    assert_eq!(names(&parcel), ["z"]);
    assert_eq!(parcel.delivery, Delivery::Message(message(b"\x81\xa4type\xa1a")));
    let wire = plain().encode(&forged, To::Key).unwrap();
    assert!(!plain().decode(wire.into()).unwrap().is_addressed());
}

#[test]
fn json_is_written_as_python_writes_it() {
    let body = b"\x88\xa4type\xa1a\xa1u\xa3\xc3\xa9\n\xa1i\xff\xa1f\xcb\x3f\xf8\0\0\0\0\0\0\xa1t\xc3\xa1n\xc0\
        \xa1l\x92\x01\x02\xa1m\x81\xa1k\xa4\xf0\x9f\x9a\xa2";
    let wire = codec(Serializer::Json, &[]).encode(&message(body), To::Channel("c")).unwrap();
    let golden = "{\"type\": \"a\", \"u\": \"\\u00e9\\n\", \"i\": -1, \"f\": 1.5, \"t\": true, \"n\": null, \
        \"l\": [1, 2], \"m\": {\"k\": \"\\ud83d\\udea2\"}, \"__asgi_channel__\": \"c\"}";
    assert_eq!(std::str::from_utf8(&wire[12..]).unwrap(), golden);
}

#[test]
fn floats_are_written_as_python_writes_them() {
    let floats = [
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (float, golden) in floats {
        let mut body = b"\x82\xa4type\xa1a\xa1f".to_vec();
        rmp::encode::write_f64(&mut body, float).unwrap();
        assert_eq!(
            json::from_msgpack(&body).unwrap(),
            format!("{{\"type\": \"a\", \"f\": {golden}}}")
        );
    }
}

#[test]
fn bytes_cannot_be_written_as_json() {
    let error = codec(Serializer::Json, &[])
        .encode(&message(b"\x82\xa4type\xa1a\xa1b\xc4\x01\0"), To::Key)
        .unwrap_err();
    assert!(error.to_string().contains("bytes cannot be sent"), "{error}");
}

#[test]
fn a_message_that_python_encrypted_is_read() {
    // Of no age, since this one gets older.
    let codec = Codec::new(&config(Serializer::Msgpack, &["a-secret"]), 0, None, 1 << 20);
    let token =
        b"gAAAAABrBQ2ULhk65HOckSLAoB41osbmYiZA9j7GKWqb9Y6oTrM9HuJwzrInXOZtL8slE80lWmZ2tdD3GKIyia\
        tCoIKlOLlcFeYxIz3OSej1vK-jVSFs6fUHVC2dAgyEWjYygIKdp3_b";
    let parcel = codec.decode(Bytes::from_static(token)).unwrap();
    assert_eq!(names(&parcel), ["c"]);
    assert_eq!(parcel.delivery, Delivery::Message(hello()));
    let limited = self::codec(Serializer::Msgpack, &["a-secret"]);
    let aged = Bytes::from([&[0; 12][..], token].concat());
    assert!(matches!(limited.decode(aged), Err(WireError::NotDecrypted)));
}

#[test]
fn any_of_the_keys_decrypts_and_the_first_encrypts() {
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        let old = codec(serializer, &["old"]);
        let rotated = codec(serializer, &["new", "old"]);
        let new = codec(serializer, &["new"]);
        let wire = Bytes::from(old.encode(&hello(), To::Channel("c")).unwrap());
        assert_eq!(names(&rotated.decode(wire.clone()).unwrap()), ["c"]);
        assert!(matches!(new.decode(wire), Err(WireError::NotDecrypted)));
        let wire = Bytes::from(rotated.encode(&hello(), To::Key).unwrap());
        assert!(new.decode(wire.clone()).is_ok());
        assert!(old.decode(wire).is_err());
    }
}

#[test]
fn frames_come_as_they_were_sent() {
    let to = ["specific.a!1".to_owned(), "specific.a!2".to_owned()];
    let frames = [Frame::Text("é".into()), Frame::Binary(Bytes::from_static(b"\xff\0"))];
    for codec in [plain(), codec(Serializer::Json, &[]), codec(Serializer::Msgpack, &["k"])] {
        for frame in &frames {
            let parcel = codec.decode(codec.encode_frame(frame, &to).into()).unwrap();
            assert_eq!(parcel.delivery, Delivery::Frame(frame.clone()));
            assert_eq!(names(&parcel), to);
        }
    }
}

#[test]
fn foreign_bytes_are_refused_with_a_reason() {
    let deep = [b"\x82\xa4type\xa1a\xa1d".to_vec(), vec![0x91; 100_000]].concat();
    let foreign: [&[u8]; 9] = [
        b"",
        b"\xc1",
        b"hello",
        b"\x93\xb0narrowboat.frame\xdd\xff\xff\xff\xff",
        b"\x93\xa1x\x90\xa1y",
        b"\x81\xa1a\xa1b",
        b"\x82\xa4type\xa1a\xb0__asgi_channel__\x01",
        b"\x82\xa4type\xa1a\xb0__asgi_channel__\x91\x01",
        &deep,
    ];
    for body in foreign {
        let wire = [&[0; 12], body].concat();
        assert!(plain().decode(wire.clone().into()).is_err(), "{body:?}");
        assert!(codec(Serializer::Json, &[]).decode(wire.clone().into()).is_err(), "{body:?}");
        assert!(codec(Serializer::Msgpack, &["k"]).decode(wire.into()).is_err(), "{body:?}");
    }
    assert!(matches!(plain().decode(Bytes::from_static(b"short")), Err(WireError::TooShort(5))));
}

#[test]
fn a_wire_that_ends_early_is_refused() {
    let to = ["specific.a!1".to_owned()];
    let whole = [
        plain().encode(&hello(), To::Channels(&to)).unwrap(),
        plain().encode_frame(&Frame::Text("hello".into()), &to),
    ];
    for wire in whole {
        for end in 0..wire.len() {
            assert!(plain().decode(Bytes::copy_from_slice(&wire[..end])).is_err());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let wire = Bytes::from([&[0; 12][..], &body].concat());
        for codec in [plain(), codec(Serializer::Json, &[]), codec(Serializer::Msgpack, &["k"])] {
            let _ = codec.decode(wire.clone());
        }
    }

    #[test]
    fn what_is_written_is_read(text in ".*", number: i64, float: f64, many in 0..40_usize) {
        let mut body = Vec::new();
        map_head(&mut body, 4 + many as u64);
        for (key, value) in [("type", "a.b"), ("text", text.as_str())] {
            super::text(&mut body, key);
            super::text(&mut body, value);
        }
        super::text(&mut body, "number");
        rmp::encode::write_sint(&mut body, number).unwrap();
        super::text(&mut body, "float");
        rmp::encode::write_f64(&mut body, float).unwrap();
        for n in 0..many {
            super::text(&mut body, &n.to_string());
            rmp::encode::write_nil(&mut body).unwrap();
        }
        let sent = message(&body);
        let codec = codec(Serializer::Msgpack, &["k"]);
        let parcel = codec.decode(codec.encode(&sent, To::Channel("c")).unwrap().into()).unwrap();
        prop_assert_eq!(names(&parcel), ["c"]);
        prop_assert_eq!(parcel.delivery, Delivery::Message(sent));
    }
}
