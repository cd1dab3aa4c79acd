//! A pattern on names, and which other patterns it covers.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;

use crate::glob::Glob;
use crate::name::MAX_NAME_LEN;

/// A pattern on the names of groups or channels, as `channel_capacity` has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern {
    text: Box<str>,
    kind: NamePatternKind,
}

/// What a pattern is at its simplest.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePatternKind {
    /// Stars alone.
    Any,
    /// One name.
    Exact,
    /// A beginning of so many bytes, and stars.
    Prefix(usize),
    /// Anything else.
    Glob(Glob),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no pattern: it is 1 to {MAX_NAME_LEN} ASCII letters, digits, '.', '_', '-', and what stands for others: \
     * ? [seq] [!seq]"
)]
pub struct InvalidNamePattern(String);

/// What begins that which stands for others.
const GLOB_METACHARACTERS: [char; 3] = ['*', '?', '['];

impl NamePattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is every name's.
    #[must_use]
    pub fn is_match_all(&self) -> bool {
        self.kind == NamePatternKind::Any
    }

    /// Whether a whole name is of the pattern. Allocates nothing.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.kind {
            NamePatternKind::Any => true,
            NamePatternKind::Exact => *self.text == *name,
            NamePatternKind::Prefix(length) => name.starts_with(&self.text[..*length]),
            NamePatternKind::Glob(glob) => glob.matches(name),
        }
    }

    /// Whether each name of `other` is one of this pattern too. Where that takes more than a look at how they begin the
    /// answer is no.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_same = self.text == other.text;
        is_same
            || match &self.kind {
                NamePatternKind::Any => true,
                NamePatternKind::Exact => false,
                NamePatternKind::Prefix(length) => {
                    other.literal_prefix().starts_with(&self.text[..*length])
                }
                NamePatternKind::Glob(glob) => {
                    other.kind == NamePatternKind::Exact && glob.matches(&other.text)
                }
            }
    }

    /// What each of its names begins with.
    fn literal_prefix(&self) -> &str {
        &self.text[..self.text.find(GLOB_METACHARACTERS).unwrap_or(self.text.len())]
    }
}

impl TryFrom<String> for NamePattern {
    type Error = InvalidNamePattern;

    fn try_from(text: String) -> Result<Self, InvalidNamePattern> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*?[]!".contains(&byte);
        if !(1..=MAX_NAME_LEN).contains(&text.len()) || !text.bytes().all(legal) {
            return Err(InvalidNamePattern(text.chars().take(MAX_NAME_LEN).collect()));
        }
        let before_stars = text.trim_end_matches('*');
        let form = if before_stars.contains(GLOB_METACHARACTERS) {
            NamePatternKind::Glob(Glob::new(&text))
        } else if before_stars.is_empty() {
            NamePatternKind::Any
        } else if before_stars.len() == text.len() {
            NamePatternKind::Exact
        } else {
            NamePatternKind::Prefix(before_stars.len())
        };
        Ok(Self { text: text.into(), kind: form })
    }
}

/// In quotes, as it is written in TOML.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> NamePattern {
        text.to_owned().try_into().unwrap()
    }

    fn covers(granted: &str, asked: &str) -> bool {
        pattern(granted).covers(&pattern(asked))
    }

    #[test]
    fn a_pattern_covers_itself_and_what_begins_as_it_does() {
        let yes = [
            ("room", "room"),
            ("room.*", "room.*"),
            ("room.*", "room.red"),
            ("room.*", "room.red.*"),
            ("room.*", "room.[ab]"),
            ("room.*", "room.*.x"),
            ("*", "room.?"),
            ("**", "*"),
            ("a**", "a*"),
            ("[ab]*", "[ab]*"),
            ("[ab]*", "b.c"),
            ("*.x", "room.x"),
        ];
        for (granted, asked) in yes {
            assert!(covers(granted, asked), "{granted} {asked}");
        }
    }

    #[test]
    fn what_may_be_more_is_not_covered() {
        let no = [
            ("room", "room.*"),
            ("room.*", "room*"),
            ("room.*", "*"),
            ("room.*", "roo?.x"),
            ("room.*", "[r]oom.x"),
            ("room.?", "room.*"),
            ("Room.*", "room.*"),
            // It would take a closer look.
            ("*.x", "room.*.x"),
            ("[ab]*", "a*"),
        ];
        for (granted, asked) in no {
            assert!(!covers(granted, asked), "{granted} {asked}");
        }
    }

    #[test]
    fn what_no_name_can_be_of_is_no_pattern() {
        for text in ["", "a b", "é", "a\n", "a\u{1b}[2J", "a\"", &"a".repeat(MAX_NAME_LEN + 1)] {
            assert!(NamePattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_its_glob_does(text in "[ab.*?\\[\\]!]{1,8}", name in "[ab.]{1,10}") {
            prop_assert_eq!(pattern(&text).matches(&name), Glob::new(&text).matches(&name));
        }

        #[test]
        fn no_name_of_a_covered_pattern_is_outside(
            granted in "[ab*?\\[\\]!]{1,5}",
            asked in "[ab*?\\[\\]!]{1,6}",
            names in prop::collection::vec("[ab]{1,7}", 1..20),
        ) {
            let (granted, asked) = (pattern(&granted), pattern(&asked));
            if granted.covers(&asked) {
                for name in names.iter().filter(|name| asked.matches(name)) {
                    prop_assert!(granted.matches(name), "{granted} {asked} {name}");
                }
            }
        }

        #[test]
        fn a_longer_beginning_is_covered(
            beginning in "[ab.]{1,5}",
            rest in "[ab.*?]{0,5}",
            names in prop::collection::vec("[ab.]{1,9}", 1..20),
        ) {
            let (granted, asked) = (pattern(&format!("{beginning}*")), pattern(&format!("{beginning}{rest}")));
            prop_assert!(granted.covers(&asked));
            prop_assert!(names.iter().all(|name| !asked.matches(name) || granted.matches(name)));
        }

        #[test]
        fn covering_is_transitive(
            patterns in prop::collection::vec("[ab*?]{1,4}", 3),
        ) {
            let [a, b, c] = [0, 1, 2].map(|at| pattern(&patterns[at]));
            prop_assert!(a.covers(&a));
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
        }
    }
}
