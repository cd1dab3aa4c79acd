//! Glob patterns, as in the `channel_capacity` of Channels.

/// A shell glob with the rules of Python's `fnmatch`.
///
/// `*` matches any string, `?` any character, `[seq]` a character of a sequence with ranges, and `[!seq]` a character
/// that is not in it. Every other character, including an unclosed `[`, matches itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<GlobStep>);

/// One step of a pattern. Names are ASCII, so each byte is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GlobStep {
    AnyString,
    /// Any character of a set of ASCII characters, with one bit for each.
    OneOf(u128),
}

impl Glob {
    /// Compiles a pattern. Every text is a valid pattern, as for `fnmatch`.
    pub fn new(pattern: &str) -> Self {
        let mut rest = pattern;
        let mut steps = Vec::new();
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            let (step, remaining) = match first {
                '*' => (GlobStep::AnyString, after),
                '?' => (GlobStep::OneOf(u128::MAX), after),
                '[' => parse_bracket(after).unwrap_or((GlobStep::OneOf(char_bit('[')), after)),
                _ => (GlobStep::OneOf(char_bit(first)), after),
            };
            steps.push(step);
            rest = remaining;
        }
        Self(steps)
    }

    /// Whether the pattern matches a whole name. Allocates nothing. It backtracks to the last `*` only, so the cost is at
    /// most the product of both lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let (mut step, mut at) = (0, 0);
        let mut retry = None;
        while at < name.len() || step < self.0.len() {
            match self.0.get(step) {
                Some(GlobStep::AnyString) => {
                    retry = Some((step, at));
                    step += 1;
                    continue;
                }
                Some(&GlobStep::OneOf(set))
                    if name.get(at).is_some_and(|&b| set_contains(set, b)) =>
                {
                    step += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((star, from)) if from < name.len() => {
                    retry = Some((star, from + 1));
                    (step, at) = (star + 1, from + 1);
                }
                _ => return false,
            }
        }
        true
    }
}

fn set_contains(set: u128, byte: u8) -> bool {
    byte.is_ascii() && set & (1 << byte) != 0
}

/// The set of one character. It is empty for characters that are not ASCII, which no name has.
fn char_bit(character: char) -> u128 {
    if character.is_ascii() { 1 << u32::from(character) } else { 0 }
}

/// Parses `seq]` or `!seq]`. Returns `None` if the bracket is not closed. A leading `]` belongs to the sequence.
fn parse_bracket(text: &str) -> Option<(GlobStep, &str)> {
    let (negated, body) = match text.strip_prefix('!') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let skip = usize::from(body.starts_with(']'));
    let end = body[skip..].find(']')? + skip;
    let set = parse_bracket_set(&body[..end]);
    Some((GlobStep::OneOf(if negated { !set } else { set }), &body[end + 1..]))
}

fn parse_bracket_set(sequence: &str) -> u128 {
    let characters: Vec<char> = sequence.chars().collect();
    let (mut set, mut at) = (0, 0);
    while at < characters.len() {
        if let [low, '-', high, ..] = characters[at..] {
            let range = (0..=127_u8).map(char::from).filter(|c| (low..=high).contains(c));
            set = range.fold(set, |set, c| set | char_bit(c));
            at += 3;
        } else {
            set |= char_bit(characters[at]);
            at += 1;
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::new(pattern).matches(name)
    }

    #[test]
    fn globs_match_as_fnmatch_does() {
        let yes = [
            ("", ""),
            ("*", ""),
            ("*", "a!b"),
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("http.request*", "http.request"),
            ("?at", "cat"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[-a]", "-"),
            ("[]]", "]"),
            ("[!]]", "a"),
            ("*!*", "specific.1!2"),
            ("*a*b", "xaxaxb"),
            ("[^a]", "a"),
            ("a[", "a["),
            ("***", "x"),
            ("[a-]", "-"),
        ];
        for (pattern, name) in yes {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        let no = [
            ("", "a"),
            ("a", ""),
            ("a*c", "acd"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[!a-c]", "a"),
            ("{a,b}", "a"),
            ("[z-a]", "m"),
            ("*ab", "ba"),
            ("é", "e"),
            ("A", "a"),
        ];
        for (pattern, name) in no {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    fn matches_recursively(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                matches_recursively(&pattern[1..], name)
                    || (!name.is_empty() && matches_recursively(pattern, &name[1..]))
            }
            (Some(b'?'), Some(_)) => matches_recursively(&pattern[1..], &name[1..]),
            (Some(p), Some(n)) => p == n && matches_recursively(&pattern[1..], &name[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn backtracking_to_the_last_star_is_enough(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &name), matches_recursively(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn any_pattern_compiles(pattern in any::<String>(), name in "[a-z!]{0,5}") {
            matches(&pattern, &name);
        }
    }
}
