//! Tests of frames, which Narrowboat sends only to itself.

use super::*;
use narrowboat_core::frame::Frame;

const TEXT: &[u8] = b"\x93\xb0narrowboat.frame\x92\xa3a!1\xa3a!2\xa2\xc3\xa9";

fn all_codecs() -> Vec<Codec> {
    let of = |serializer| {
        [codec_with(serializer, &[], 0, None), codec_with(serializer, &["a-secret"], 12, Some(70))]
    };
    [Serializer::Msgpack, Serializer::Json].into_iter().flat_map(of).collect()
}

#[test]
fn frame_is_an_array_of_tag_names_and_payload() {
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        let wire = plain(serializer)
            .encode_frame(&Frame::Text("é".into()), WireAddress::Channels(&["a!1", "a!2"]));
        assert_eq!(wire, TEXT);
    }
}

#[test]
fn decoded_frame_has_its_names() {
    let large = Bytes::from(vec![7; MAX]);
    let frames = [
        Frame::Text("é".into()),
        Frame::Text("".into()),
        Frame::Binary(Bytes::from_static(b"\0\xff")),
        Frame::Binary(large),
    ];
    for codec in all_codecs() {
        for frame in &frames {
            for (to, names) in [
                (WireAddress::Implicit, vec![]),
                (WireAddress::Channel("a"), vec!["a"]),
                (WireAddress::Channels(&["a", "b"]), vec!["a", "b"]),
            ] {
                let decoded = decode(&codec, &codec.encode_frame(frame, to)).unwrap();
                assert_eq!(decoded.delivery, Delivery::Frame(frame.clone()));
                assert_eq!(decoded.names().collect::<Vec<_>>(), names);
                assert_eq!(decoded.is_addressed(), to != WireAddress::Implicit);
            }
        }
    }
}

#[test]
fn a_frame_does_not_keep_its_many_names_in_memory() {
    let names = vec!["specific.0123456789abcdef!0123456789abcdef"; 10_000];
    for codec in all_codecs() {
        let wire = codec.encode_frame(&Frame::Text("é".into()), WireAddress::Channels(&names));
        let decoded = decode(&codec, &wire).unwrap();
        assert_eq!(decoded.names().count(), names.len());
        let Delivery::Frame(Frame::Text(text)) = decoded.delivery else { panic!("it was text") };
        let bytes = text.into_bytes();
        assert!(bytes.try_into_mut().is_ok_and(|bytes| bytes.capacity() < 100));
    }
}

#[test]
fn invalid_frames_are_refused() {
    let codec = plain(Serializer::Msgpack);
    for wire in [
        &b"\x93\x01\x02\x03"[..],
        b"\x93\xb0narrowboat.other\x90\xa0",
        b"\x93\xb0narrowboat.frame\x90\x01",
        b"\x93\xb0narrowboat.frame\x90\xa0\xa0",
    ] {
        assert_eq!(decode(&codec, wire), Err(WireError::BadFrame), "{wire:x?}");
    }
    let not_names = b"\x93\xb0narrowboat.frame\x91\x01\xa0";
    assert_eq!(decode(&codec, not_names), Err(WireError::BadAddress));
    let not_utf8 = MessageError::NotUtf8 { at: 19 };
    assert_eq!(decode(&codec, b"\x93\xb0narrowboat.frame\x90\xa1\xff"), Err(not_utf8.into()));
    let large = codec.encode_frame(&Frame::Binary(vec![0; MAX + 1].into()), WireAddress::Implicit);
    let too_large = WireError::FrameTooLarge { len: MAX + 1, max: MAX };
    assert_eq!(decode(&codec, &large), Err(too_large));
    for end in 0..TEXT.len() {
        assert!(decode(&codec, &TEXT[..end]).is_err(), "{end}");
    }
}
