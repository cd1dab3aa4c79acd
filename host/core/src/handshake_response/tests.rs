use bytes::Bytes;

use super::*;

fn with_header(name: &str, value: &str) -> Acceptance {
    let headers = vec![(name.to_owned(), Bytes::from(value.to_owned()))];
    Acceptance { subprotocol: None, headers }
}

#[test]
fn bodies_and_headers_are_limited() {
    let rejection = |body: usize| Rejection::plain_text(400, "x".repeat(body));
    assert_eq!(rejection(MAX_BODY).check(), Ok(()));
    assert_eq!(
        rejection(MAX_BODY + 1).check(),
        Err(HandshakeResponseError::BodyTooLong(MAX_BODY + 1))
    );
    assert_eq!(with_header("x", &"y".repeat(MAX_HEADER_BYTES - 1)).check(&[]), Ok(()));
    let long = with_header("x", &"y".repeat(MAX_HEADER_BYTES)).check(&[]);
    assert!(matches!(long, Err(HandshakeResponseError::TooManyHeaders { count: 1, .. })));
    let header = ("x".to_owned(), Bytes::new());
    let many = Acceptance { subprotocol: None, headers: vec![header; MAX_HEADERS + 1] };
    assert!(matches!(many.check(&[]), Err(HandshakeResponseError::TooManyHeaders { .. })));
}

#[test]
fn only_an_offered_subprotocol_may_be_chosen() {
    let chat = Acceptance { subprotocol: Some("chat".to_owned()), headers: Vec::new() };
    assert_eq!(chat.check(&["soap".to_owned(), "chat".to_owned()]), Ok(()));
    let refused = chat.check(&["soap".to_owned()]);
    assert!(matches!(refused, Err(HandshakeResponseError::SubprotocolNotOffered { .. })));
}

#[test]
fn headers_of_the_handshake_are_reserved() {
    for name in ["Upgrade", "connection", "Sec-WebSocket-Accept", "transfer-encoding"] {
        let refused = with_header(name, "x").check(&[]);
        assert_eq!(refused, Err(HandshakeResponseError::ReservedHeader(name.to_owned())));
    }
}

#[test]
fn a_header_cannot_inject_a_line() {
    for (name, value) in [("x-a", "b\r\nset-cookie: c"), ("x-a\r\nb", "c"), ("", "c")] {
        assert!(matches!(
            with_header(name, value).check(&[]),
            Err(HandshakeResponseError::InvalidHeader(_))
        ));
    }
    assert_eq!(with_header("x-a", "b c").check(&[]), Ok(()));
}

#[test]
fn a_rejection_needs_an_error_status() {
    assert_eq!(Rejection::plain_text(403, "").check(), Ok(()));
    for status in [101, 200, 302, 399, 600] {
        assert_eq!(
            Rejection::plain_text(status, "").check(),
            Err(HandshakeResponseError::InvalidStatus(status))
        );
    }
}

#[test]
fn a_rejection_of_the_host_is_one_line_of_plain_text_and_its_headers() {
    let rejection = Rejection::from(HostRejection::Draining);
    assert_eq!((rejection.status, &rejection.body[..]), (503, &b"server is draining\n"[..]));
    let content_type = Bytes::from_static(b"text/plain; charset=utf-8");
    let retry_after = Bytes::from_static(b"1");
    let expected =
        [("content-type".to_owned(), content_type), ("Retry-After".to_owned(), retry_after)];
    assert_eq!(rejection.headers, expected);
}
