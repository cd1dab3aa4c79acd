//! Patterns on names, as Channels' `channel_capacity` has them.

/// A pattern on names.
///
/// A shell glob as Python's `fnmatch` has it: `*` is anything, `?` one character, `[seq]` one of a sequence with ranges,
/// `[!seq]` one that is not; every other character, an unclosed `[` included, is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<GlobStep>);

/// One step of a pattern. Names are ASCII, so bytes are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GlobStep {
    AnyString,
    /// One byte out of a set of ASCII, a bit each.
    OneOf(u128),
}

impl Glob {
    /// Compiles a pattern. None is refused, since none is wrong to `fnmatch`.
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

    /// Whether a whole name is of the pattern. Allocates nothing; going back to the last `*` alone is enough, so a match
    /// costs at most pattern times name.
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

/// The set of one character; none for what no name can have.
fn char_bit(character: char) -> u128 {
    if character.is_ascii() { 1 << u32::from(character) } else { 0 }
}

/// Reads `seq]` or `!seq]`; nothing if it is not closed. A `]` that comes first is one of the sequence.
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

    fn slow(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                slow(&pattern[1..], name) || (!name.is_empty() && slow(pattern, &name[1..]))
            }
            (Some(b'?'), Some(_)) => slow(&pattern[1..], &name[1..]),
            (Some(p), Some(n)) => p == n && slow(&pattern[1..], &name[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn going_back_to_the_last_star_is_enough(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn any_pattern_compiles(pattern in any::<String>(), name in "[a-z!]{0,5}") {
            matches(&pattern, &name);
        }
    }
}
