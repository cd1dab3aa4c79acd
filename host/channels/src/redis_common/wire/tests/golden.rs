//! Tests with bytes that Python wrote.

use super::*;

/// 14 pairs after a `type`.
const FIFTEEN: &[u8] = b"\xa4type\xa1t\xa1a\x00\xa1b\x01\xa1c\x02\xa1d\x03\xa1e\x04\xa1f\x05\xa1g\x06\xa1h\x07\xa1i\x08\
\xa1j\x09\xa1k\x0a\xa1l\x0b\xa1m\x0c\xa1n\x0d";

const JSON: &str = r#"{"type": "chat.message", "u": "\u00e9\ud83d\ude00\u007f\"\\/\n\r\t\b\f\u0001", "i": -1, "big": 18446744073709551615, "small": -9223372036854775808, "f": [1.5, 1.0, -0.0, 1e+16, 1.2345678901234568e+17, 1e-05, 0.0001, 1.5e-07, 1e+22, 1.7976931348623157e+308, 5e-324, 0.1, 9007199254740992.0, 1e+100, 1.234e-10], "t": true, "x": false, "n": null, "l": [], "m": {}, "d": {"k": [{"z": 1}]}}"#;

const JSON_AS_MSGPACK: &[u8] = b"\x8c\xa4type\xacchat.message\xa1u\xb0\xc3\xa9\xf0\x9f\x98\x80\x7f\x22\x5c/\x0a\x0d\x09\x08\x0c\x01\
\xa1i\xff\xa3big\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa5small\xd3\x80\x00\x00\x00\x00\x00\x00\x00\
\xa1f\x9f\xcb?\xf8\x00\x00\x00\x00\x00\x00\xcb?\xf0\x00\x00\x00\x00\x00\x00\xcb\x80\x00\x00\x00\x00\x00\x00\x00\
\xcbCA\xc3y7\xe0\x80\x00\xcbC{i\xb4\xbac\x0f5\xcb>\xe4\xf8\xb5\x88\xe3h\xf1\xcb?\x1a6\xe2\xeb\x1cC-\
\xcb>\x84!\xf5\xf4\x0d\x83v\xcbD\x80\xf0\xcf\x06M\xd5\x92\xcb\x7f\xef\xff\xff\xff\xff\xff\xff\
\xcb\x00\x00\x00\x00\x00\x00\x00\x01\xcb?\xb9\x99\x99\x99\x99\x99\x9a\xcbC@\x00\x00\x00\x00\x00\x00\
\xcbT\xb2I\xad%\x94\xc3}\xcb=\xe0\xf5\xc0cVC\xa8\xa1t\xc3\xa1x\xc2\xa1n\xc0\xa1l\x90\xa1m\x80\xa1d\x81\xa1k\x91\x81\xa1z\x01";

/// The message of `PAIRS` to `specific.0123456789abcdef!x`, encrypted with "a-secret" in November 2023.
const TOKEN: &str = "gAAAAABlU_EANtT_mCSS1qNzi_M1ekVFWOyCo4zP0aB5TsDjUpCJOOwQLg-SSIHbmtO0oiGO6b79gs_LKFdoj-KpkdettQvrIWcA1TeyET6DOAWabqwK1YmkeOnmdnzAN9_RKb6j_B6umLLJqZmkfE18jm2_iYww65vYt1_4kkOeYm7cFTa9rTodE9wOuo9XzpkwMCDAm6MuQ-W92ExmMh8Z7aLCITGxCA==";

/// `{"type": "t", "__asgi_channel__": "a"}`, likewise.
const JSON_TOKEN: &str = "gAAAAABlU_EAA1pJ_q2ghwzd_5OcZxUmPTkOHfMHlh-XZaETL5Z3iDJf9NT1RB2aXVkfySe9hBig4VqGugyRnpzQGzaxrBt_7Md3p-EP7ylkd599E7ovXQVkd9FVBs4xypHB22z3Z3VT";

/// Asserts that a message and its recipients encode to the bytes of Python, and decode from them.
fn agree(serializer: Serializer, wire: &[u8], message: &Message, to: WireAddress<'_>) {
    let codec = plain(serializer);
    let encoded = codec.encode(message, to).unwrap();
    assert_eq!(encoded, wire, "{}", String::from_utf8_lossy(&encoded));
    let decoded = decode(&codec, wire).unwrap();
    let names = match to {
        WireAddress::Implicit => vec![],
        WireAddress::Channel(name) => vec![name],
        WireAddress::Channels(names) => names.to_vec(),
    };
    assert_eq!(opened(&decoded), (message, names));
    assert_eq!(decoded.is_addressed(), to != WireAddress::Implicit);
}

#[test]
fn address_of_one_channel_is_a_string() {
    let wire = [b"\x89", PAIRS, b"\xb0__asgi_channel__\xbbspecific.0123456789abcdef!x"].concat();
    let to = WireAddress::Channel("specific.0123456789abcdef!x");
    agree(Serializer::Msgpack, &wire, &message(&[b"\x88", PAIRS]), to);
}

#[test]
fn address_of_members_is_an_array() {
    let wire = [b"\x89", PAIRS, b"\xb0__asgi_channel__\x92\xa3a!1\xa3a!2"].concat();
    agree(
        Serializer::Msgpack,
        &wire,
        &message(&[b"\x88", PAIRS]),
        WireAddress::Channels(&["a!1", "a!2"]),
    );
    let wire = [b"\x89", PAIRS, b"\xb0__asgi_channel__\x91\xa3a!1"].concat();
    agree(Serializer::Msgpack, &wire, &message(&[b"\x88", PAIRS]), WireAddress::Channels(&["a!1"]));
}

#[test]
fn message_with_an_implicit_address_is_unchanged() {
    let wire = [b"\x88", PAIRS].concat();
    agree(Serializer::Msgpack, &wire, &message(&[&wire]), WireAddress::Implicit);
}

#[test]
fn header_grows_with_the_sixteenth_pair() {
    let message = message(&[b"\x8f", FIFTEEN]);
    let wire = [b"\xde\x00\x10", FIFTEEN, b"\xb0__asgi_channel__\xa1c"].concat();
    agree(Serializer::Msgpack, &wire, &message, WireAddress::Channel("c"));
}

#[test]
fn json_is_the_same_as_in_python() {
    let message = message(&[JSON_AS_MSGPACK]);
    agree(Serializer::Json, JSON.as_bytes(), &message, WireAddress::Implicit);
}

#[test]
fn json_has_nan_and_infinity_and_names_in_ascii() {
    let floats = b"\x93\xcb\x7f\xf8\0\0\0\0\0\0\xcb\x7f\xf0\0\0\0\0\0\0\xcb\xff\xf0\0\0\0\0\0\0";
    let message = message(&[b"\x82\xa4type\xa1t\xa1f", floats]);
    let wire =
        r#"{"type": "t", "f": [NaN, Infinity, -Infinity], "__asgi_channel__": ["a!\u00e9", "b"]}"#;
    agree(Serializer::Json, wire.as_bytes(), &message, WireAddress::Channels(&["a!é", "b"]));
}

#[test]
fn json_may_have_any_whitespace_and_escapes() {
    let wire = b" {\"a\":[ 1 ,2.50,1E2,-0,1e999],\r\n\t\"t\\u0079pe\" : \"\xc3\xa9\\/\" } ";
    let decoded = decode(&plain(Serializer::Json), wire).unwrap();
    let list =
        b"\x95\x01\xcb\x40\x04\0\0\0\0\0\0\xcb\x40\x59\0\0\0\0\0\0\x00\xcb\x7f\xf0\0\0\0\0\0\0";
    let read = message(&[b"\x82\xa1a", list, b"\xa4type\xa3\xc3\xa9/"]);
    assert_eq!(opened(&decoded), (&read, vec![]));
}

#[test]
fn token_from_python_is_decrypted() {
    let codec = codec_with(Serializer::Msgpack, &["a-secret"], 12, None);
    let wire = format!("prefix bytes{TOKEN}");
    let decoded = decode(&codec, wire.as_bytes()).unwrap();
    let sent = message(&[b"\x88", PAIRS]);
    assert_eq!(opened(&decoded), (&sent, vec!["specific.0123456789abcdef!x"]));

    let codec = codec_with(Serializer::Json, &["a-secret"], 0, None);
    let decoded = decode(&codec, JSON_TOKEN.as_bytes()).unwrap();
    assert_eq!(opened(&decoded), (&message(&[b"\x81\xa4type\xa1t"]), vec!["a"]));
}

#[test]
fn old_token_is_refused_if_there_is_a_limit() {
    let codec = codec_with(Serializer::Msgpack, &["a-secret"], 0, Some(70));
    let error = decode(&codec, TOKEN.as_bytes()).unwrap_err();
    assert!(matches!(error, WireError::TooOld { max, .. } if max == Duration::from_secs(70)));

    let sent = message(&[b"\x88", PAIRS]);
    let wire = codec.encode(&sent, WireAddress::Implicit).unwrap();
    assert_eq!(opened(&decode(&codec, &wire).unwrap()), (&sent, vec![]));
}
