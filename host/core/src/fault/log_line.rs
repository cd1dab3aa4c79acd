//! Text of guests in log lines.

/// The longest text of a guest in a log line, in bytes.
const MAX_LOG_LINE_BYTES: usize = 4 * 1024;

/// Returns the text of a guest as one line of bounded length without control characters, so that the guest can neither
/// forge log lines nor control a terminal.
pub fn sanitize_log_line(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_LOG_LINE_BYTES)];
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_can_neither_forge_a_line_nor_control_a_terminal() {
        assert_eq!(sanitize_log_line("a\nERROR b\x1b[2J"), "a ERROR b [2J");
        assert_eq!(sanitize_log_line(&"é".repeat(MAX_LOG_LINE_BYTES)).len(), MAX_LOG_LINE_BYTES);
    }
}
