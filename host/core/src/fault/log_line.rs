//! Text of guests in log lines.

/// The longest text of a guest in a log line, in bytes.
const MAX_LOG_LINE_BYTES: usize = 4 * 1024;

/// The most lines of a text of a guest.
const MAX_LOG_LINES: usize = 50;

/// Stands before each line but the first of a text in the log.
pub const CONTINUATION: &str = "\n  | ";

/// Returns the text of a guest as one line of bounded length without control characters, so that the guest can neither
/// forge log lines nor control a terminal.
pub fn sanitize_log_line(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_LOG_LINE_BYTES)];
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Returns the text of a guest as lines of bounded length and number, for a text such as a traceback. Each line but the
/// first begins with [`CONTINUATION`], so that the guest cannot forge lines.
pub fn sanitize_log_text(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_LOG_LINE_BYTES)];
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut kept: Vec<_> = lines.by_ref().take(MAX_LOG_LINES).map(sanitize_log_line).collect();
    let omitted = lines.count();
    if omitted > 0 {
        kept.push(format!("... {omitted} more lines"));
    }
    kept.join(CONTINUATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_lines_of_a_text_are_marked_so_that_a_guest_cannot_forge_them() {
        let text = "Traceback:\r\n  File \"a.py\"\n\n2026-01-01 ERROR b\x1b[2J\u{2028}c\x0bd\n";
        let expected = "Traceback:\n  |   File \"a.py\"\n  | 2026-01-01 ERROR b [2J\u{2028}c d";
        assert_eq!(sanitize_log_text(text), expected);
    }

    #[test]
    fn a_text_has_a_bounded_number_of_lines() {
        let text = sanitize_log_text(&"x\n".repeat(100));
        assert_eq!(text.lines().count(), MAX_LOG_LINES + 1);
        assert!(text.ends_with("... 50 more lines"), "{text}");
    }

    #[test]
    fn a_guest_can_neither_forge_a_line_nor_control_a_terminal() {
        assert_eq!(sanitize_log_line("a\nERROR b\x1b[2J"), "a ERROR b [2J");
        assert_eq!(sanitize_log_line(&"é".repeat(MAX_LOG_LINE_BYTES)).len(), MAX_LOG_LINE_BYTES);
    }
}
