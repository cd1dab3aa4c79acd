use std::net::IpAddr;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "chat.message")]
    Chat { message: String, count: u32 },
    #[serde(rename = "chat.leave")]
    Leave,
    #[serde(rename = "chat.paint")]
    Paint { colour: Colour, from: Option<IpAddr> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
}

fn packed(json: serde_json::Value) -> Vec<u8> {
    encode(&json).unwrap()
}

fn failure(json: serde_json::Value) -> String {
    decode::<Message>(&packed(json)).unwrap_err().to_string()
}

#[test]
fn a_message_decodes_to_what_was_encoded() {
    let sent = Message::Chat { message: "hi".into(), count: 3 };
    let bytes = encode(&sent).unwrap();
    assert_eq!(rmp::decode::read_map_len(&mut bytes.as_slice()).unwrap(), 3);
    assert_eq!(decode::<Message>(&bytes).unwrap(), DecodedMessage::Known(sent));
}

#[test]
fn human_readable_types_decode_inside_a_tagged_enum() {
    let sent = Message::Paint { colour: Colour::Red, from: Some("::1".parse().unwrap()) };
    assert_eq!(decode::<Message>(&encode(&sent).unwrap()).unwrap(), DecodedMessage::Known(sent));
}

#[test]
fn bytes_decode_to_bytes() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename = "blob")]
    struct Blob {
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    }
    let bytes = encode(&Blob { data: vec![0, 255] }).unwrap();
    assert!(bytes.ends_with(&[0xc4, 2, 0, 255]));
    assert_eq!(decode::<Blob>(&bytes).unwrap(), DecodedMessage::Known(Blob { data: vec![0, 255] }));
}

#[test]
fn the_type_may_come_last_and_unknown_fields_are_ignored() {
    let message = packed(
        serde_json::json!({ "aside": [1, { "deep": null }], "zone": "x", "type": "chat.leave" }),
    );
    assert_eq!(decode::<Message>(&message).unwrap(), DecodedMessage::Known(Message::Leave));
}

#[test]
fn an_unknown_type_differs_from_a_broken_message() {
    let message = packed(serde_json::json!({ "type": "chat.else", "message": 5 }));
    assert_eq!(decode::<Message>(&message).unwrap(), DecodedMessage::Unknown("chat.else".into()));
    let unknown_inside =
        failure(serde_json::json!({ "type": "chat.paint", "colour": "Mauve", "from": null }));
    assert!(
        unknown_inside.contains("\"colour\"") && unknown_inside.contains("Mauve"),
        "{unknown_inside}"
    );
}

#[test]
fn underscores_and_full_stops_name_the_same_type_as_in_channels() {
    for name in ["chat.message", "chat_message"] {
        let message = packed(serde_json::json!({ "message": "hi", "type": name, "count": 3 }));
        let known = Message::Chat { message: "hi".into(), count: 3 };
        assert_eq!(decode::<Message>(&message).unwrap(), DecodedMessage::Known(known), "{name}");
    }
    let message =
        packed(serde_json::json!({ "type": "chat-message", "message": "hi", "count": 3 }));
    assert_eq!(
        decode::<Message>(&message).unwrap(),
        DecodedMessage::Unknown("chat-message".into())
    );
    let why = failure(serde_json::json!({ "type": "chat_message", "message": "hi" }));
    assert_eq!(why, r#"message "chat_message" lacks the field "count""#);
}

#[test]
fn an_exact_type_name_wins() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Both {
        #[serde(rename = "a.b")]
        Dotted,
        #[serde(rename = "a_b", alias = "a_c")]
        Scored,
    }
    for (name, known) in
        [("a.b", Both::Dotted), ("a_b", Both::Scored), ("a.c", Both::Scored), ("a_c", Both::Scored)]
    {
        let message = packed(serde_json::json!({ "type": name }));
        assert_eq!(decode::<Both>(&message).unwrap(), DecodedMessage::Known(known), "{name}");
    }
}

#[test]
fn a_message_that_cannot_be_read_blames_the_plugin() {
    let broken = packed(serde_json::json!({ "type": "chat.message", "message": 5, "count": 3 }));
    assert_eq!(decode::<Message>(&broken).unwrap_err().client_error(), None);
}

#[test]
fn a_missing_field_is_named() {
    let why = failure(serde_json::json!({ "type": "chat.message", "message": "hi" }));
    assert_eq!(why, r#"message "chat.message" lacks the field "count""#);
}

#[test]
fn a_field_of_the_wrong_kind_is_named() {
    let why =
        failure(serde_json::json!({ "type": "chat.message", "message": "hi", "count": "three" }));
    assert!(why.starts_with(r#"message "chat.message", field "count": invalid type"#), "{why}");
}

#[test]
fn no_message_knows_no_type() {
    let message = packed(serde_json::json!({ "type": "chat.leave" }));
    let DecodedMessage::Unknown(name) = decode::<NoMessage>(&message).unwrap();
    assert_eq!(name, "chat.leave");
}

#[test]
fn invalid_messages_are_errors_and_do_not_panic() {
    for bytes in [
        &b""[..],
        b"\x90",
        b"\x81",
        b"\x81\xa1",
        b"\x80",
        b"\x81\xa4type\x05",
        b"\xdf\xff\xff\xff\xff",
        // An array, from which serde would read a tagged enum too.
        b"\x91\xaachat.leave",
    ] {
        assert!(decode::<Message>(bytes).is_err(), "{bytes:?}");
    }
}
