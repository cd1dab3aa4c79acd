//! The page `docs/reference/close-codes.md`, from the closes of the host, the rules for codes and a template.
//!
//! The template has the prose, and a placeholder such as `{{ consumer codes }}` for each generated part.

use narrowboat_config::expand_template;
use narrowboat_core::close_frame::{CloseFrame, MAX_REASON_BYTES};
use narrowboat_core::host_close::{CloseReason, HostClose};

const TEMPLATE: &str = include_str!("close_codes.md.in");

/// The highest code in the ranges of the page. RFC 6455 defines none from 5000 on.
const HIGHEST_CODE: u16 = 5000;

/// The page `docs/reference/close-codes.md`.
pub fn close_codes_reference() -> String {
    expand_template(TEMPLATE, expand)
}

/// The part of the page for a placeholder. `None` means that the placeholder is not known.
fn expand(placeholder: &str) -> Option<String> {
    Some(match placeholder {
        "host closes" => host_closes(),
        "consumer codes" => code_ranges(is_allowed_for_consumer),
        "client error codes" => code_ranges(is_allowed_for_client_error),
        "operator codes" => code_ranges(CloseFrame::is_allowed_for_operator),
        "client codes" => code_ranges(CloseFrame::is_valid_on_wire),
        "echoed codes" => code_ranges(is_only_echoed),
        "reason bytes" => MAX_REASON_BYTES.to_string(),
        _ => return None,
    })
}

/// The table of the closes that the host sends by itself.
fn host_closes() -> String {
    let header = "| Code | Reason text | When | Who can cause it |\n|---|---|---|---|".to_owned();
    HostClose::ALL.into_iter().fold(header, |table, close| table + "\n" + &host_close(close))
}

/// The row of a close that the host sends by itself.
fn host_close(close: HostClose) -> String {
    let reason = match close.reason() {
        CloseReason::Fixed(text) => format!("`{text}`"),
        CloseReason::Example(text) => format!("for example `{text}`"),
    };
    let causes: Vec<_> = close.causes().iter().map(ToString::to_string).collect();
    format!("| {} | {reason} | {} | {} |", close.code(), close.when(), causes.join(", "))
}

fn is_allowed_for_consumer(code: u16) -> bool {
    CloseFrame::is_allowed_for_consumer(code, "")
}

fn is_allowed_for_client_error(code: u16) -> bool {
    CloseFrame::is_allowed_for_client_error(code, "")
}

/// Whether the host sends a code only in the reply to the same code of a client.
fn is_only_echoed(code: u16) -> bool {
    let is_chosen = is_allowed_for_consumer(code)
        || is_allowed_for_client_error(code)
        || CloseFrame::is_allowed_for_operator(code)
        || HostClose::ALL.into_iter().any(|close| close.code() == code);
    CloseFrame::is_valid_on_wire(code) && !is_chosen
}

/// The codes that a rule allows, such as `1000, 1001, 1011 to 1013`.
fn code_ranges(is_allowed: impl Fn(u16) -> bool) -> String {
    let codes: Vec<u16> = (0..=HIGHEST_CODE).filter(|code| is_allowed(*code)).collect();
    let runs = codes.chunk_by(|code, next| code + 1 == *next);
    runs.map(format_run).collect::<Vec<_>>().join(", ")
}

/// Formats codes that follow each other.
fn format_run(codes: &[u16]) -> String {
    match codes {
        [first, _, .., last] => format!("{first} to {last}"),
        codes => codes.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_follow_each_other_become_a_range() {
        let allowed = [1, 3, 4, 6, 7, 8, 5000];
        assert_eq!(code_ranges(|code| allowed.contains(&code)), "1, 3, 4, 6 to 8, 5000");
        assert_eq!(code_ranges(|_| false), "");
    }

    #[test]
    fn every_placeholder_of_the_close_codes_is_expanded() {
        assert!(!close_codes_reference().contains("{{"), "a placeholder names nothing");
    }

    #[test]
    fn the_committed_page_of_close_codes_is_the_generated_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/close-codes.md");
        let page = std::fs::read_to_string(file).unwrap();
        assert!(
            page == close_codes_reference(),
            "run `narrowboat reference close-codes > docs/reference/close-codes.md`"
        );
    }
}
