//! The page `docs/reference/http-responses.md`, from the rejections of the host, the limits of a consumer's response and
//! a template.
//!
//! The template has the prose. It has placeholders at any place of a line:
//!
//! - `{{ responses 4xx }}` and `{{ responses 5xx }}`: the rows of the rejections with such a status
//! - any other: the value of a constant

use crate::handshake_failures::HandshakeFailureCounters;
use narrowboat_config::expand_template;
use narrowboat_core::handshake_response::{
    HostRejection, MAX_BODY, MAX_HEADER_BYTES, MAX_HEADERS, REJECTION_STATUSES,
    RESERVED_HEADER_PREFIX, RESERVED_HEADERS,
};
use narrowboat_core::units::ByteSize;
use narrowboat_websocket::handshake::MAX_HEAD_BYTES;

const TEMPLATE: &str = include_str!("http_responses.md.in");

/// The page `docs/reference/http-responses.md`.
pub fn http_responses_reference() -> String {
    expand_template(TEMPLATE, expand)
}

/// The part of the page for a placeholder. `None` means that the placeholder is not known.
fn expand(placeholder: &str) -> Option<String> {
    Some(match placeholder {
        "responses 4xx" => rows(4),
        "responses 5xx" => rows(5),
        "statuses" => format!("{} to {}", REJECTION_STATUSES.start(), REJECTION_STATUSES.end()),
        "max_head" => size(MAX_HEAD_BYTES),
        "max_body" => size(MAX_BODY),
        "max_headers" => MAX_HEADERS.to_string(),
        "max_header_bytes" => size(MAX_HEADER_BYTES),
        "reserved_headers" => RESERVED_HEADERS.map(|name| format!("`{name}`")).join(", "),
        "reserved_prefix" => RESERVED_HEADER_PREFIX.to_owned(),
        "counted_statuses" => HandshakeFailureCounters::statuses().collect::<Vec<_>>().join(", "),
        _ => return None,
    })
}

/// A number of bytes with its unit, without a fraction of zero.
fn size(bytes: usize) -> String {
    ByteSize::from(bytes).to_string().replace(".0 ", " ")
}

/// The rows of the rejections whose status has this first digit.
fn rows(first_digit: u16) -> String {
    let rejections = HostRejection::ALL.iter();
    let rejections = rejections.filter(|rejection| rejection.status() / 100 == first_digit);
    rejections.map(|rejection| row(*rejection)).collect::<Vec<_>>().join("\n")
}

/// The row of a rejection: its status, its body, its condition and its headers.
fn row(rejection: HostRejection<'_>) -> String {
    let (status, body, when) = (rejection.status(), rejection.body(), rejection.when());
    let headers = match rejection.headers() {
        [] => String::new(),
        [("Retry-After", "1")] => " Retry.".to_owned(),
        [(name, value)] => format!(" Header: `{name}: {value}`."),
        headers => {
            let headers = headers.iter().map(|(name, value)| format!("`{name}: {value}`"));
            format!(" Headers: {}.", headers.collect::<Vec<_>>().join(", "))
        }
    };
    format!("| {status} | {body} | {when}{headers} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_expanded() {
        let page = http_responses_reference();
        assert!(!page.contains("{{"), "a placeholder of the template names nothing");
    }

    #[test]
    fn the_page_has_each_rejection_of_the_host() {
        let page = http_responses_reference();
        for rejection in HostRejection::ALL {
            assert!(page.contains(&row(*rejection)), "the page lacks {rejection:?}");
        }
    }

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/http-responses.md");
        let page = std::fs::read_to_string(file).unwrap();
        assert!(
            page == http_responses_reference(),
            "run `narrowboat reference http-responses > docs/reference/http-responses.md`"
        );
    }
}
