//! Patterns of names.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;

use crate::glob::Glob;
use crate::name::MAX_NAME_LEN;

/// A pattern of the names of groups or channels, with the syntax of [`Glob`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern {
    text: Box<str>,
    kind: NamePatternKind,
}

/// The simplest form of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePatternKind {
    /// Only stars: it matches every name.
    Any,
    /// One name without wildcards.
    Exact,
    /// A prefix of this many bytes, and stars.
    Prefix(usize),
    /// Any other pattern.
    Glob(Glob),
}

/// The error of a text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a pattern: expected 1 to {MAX_NAME_LEN} ASCII letters, digits, '.', '_', '-' and the wildcards * ? \
     [seq] [!seq]"
)]
pub struct InvalidNamePattern(String);

/// The characters that start a wildcard.
const GLOB_METACHARACTERS: [char; 3] = ['*', '?', '['];

impl NamePattern {
    /// The text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches every name.
    #[must_use]
    pub fn is_match_all(&self) -> bool {
        self.kind == NamePatternKind::Any
    }

    /// Whether the pattern matches a whole name. Allocates nothing.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.kind {
            NamePatternKind::Any => true,
            NamePatternKind::Exact => *self.text == *name,
            NamePatternKind::Prefix(length) => name.starts_with(&self.text[..*length]),
            NamePatternKind::Glob(glob) => glob.matches(name),
        }
    }

    /// Whether the pattern matches every name that `other` matches. Returns false if that is true but a comparison of the
    /// prefixes does not show it.
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

    /// The prefix of every name that the pattern matches.
    fn literal_prefix(&self) -> &str {
        &self.text[..self.text.find(GLOB_METACHARACTERS).unwrap_or(self.text.len())]
    }
}

impl TryFrom<String> for NamePattern {
    type Error = InvalidNamePattern;

    fn try_from(text: String) -> Result<Self, InvalidNamePattern> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*?[]!".contains(&byte);
        if !(1..=MAX_NAME_LEN).contains(&text.len()) || !text.bytes().all(is_allowed) {
            return Err(InvalidNamePattern(text.chars().take(MAX_NAME_LEN).collect()));
        }
        let before_stars = text.trim_end_matches('*');
        let kind = if before_stars.contains(GLOB_METACHARACTERS) {
            NamePatternKind::Glob(Glob::new(&text))
        } else if before_stars.is_empty() {
            NamePatternKind::Any
        } else if before_stars.len() == text.len() {
            NamePatternKind::Exact
        } else {
            NamePatternKind::Prefix(before_stars.len())
        };
        Ok(Self { text: text.into(), kind })
    }
}

/// Formats the pattern in quotes, as in TOML.
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

    fn covers(granted: &str, requested: &str) -> bool {
        pattern(granted).covers(&pattern(requested))
    }

    #[test]
    fn a_pattern_covers_itself_and_patterns_with_its_prefix() {
        let covered = [
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
        for (granted, requested) in covered {
            assert!(covers(granted, requested), "{granted} {requested}");
        }
    }

    #[test]
    fn a_pattern_that_may_match_more_names_is_not_covered() {
        let not_covered = [
            ("room", "room.*"),
            ("room.*", "room*"),
            ("room.*", "*"),
            ("room.*", "roo?.x"),
            ("room.*", "[r]oom.x"),
            ("room.?", "room.*"),
            ("Room.*", "room.*"),
            // Covered, but the prefixes do not show it.
            ("*.x", "room.*.x"),
            ("[ab]*", "a*"),
        ];
        for (granted, requested) in not_covered {
            assert!(!covers(granted, requested), "{granted} {requested}");
        }
    }

    #[test]
    fn a_pattern_that_no_name_can_match_is_refused() {
        for text in ["", "a b", "é", "a\n", "a\u{1b}[2J", "a\"", &"a".repeat(MAX_NAME_LEN + 1)] {
            assert!(NamePattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_like_its_glob(text in "[ab.*?\\[\\]!]{1,8}", name in "[ab.]{1,10}") {
            prop_assert_eq!(pattern(&text).matches(&name), Glob::new(&text).matches(&name));
        }

        #[test]
        fn a_covering_pattern_matches_every_name_of_the_covered_one(
            granted in "[ab*?\\[\\]!]{1,5}",
            requested in "[ab*?\\[\\]!]{1,6}",
            names in prop::collection::vec("[ab]{1,7}", 1..20),
        ) {
            let (granted, requested) = (pattern(&granted), pattern(&requested));
            if granted.covers(&requested) {
                for name in names.iter().filter(|name| requested.matches(name)) {
                    prop_assert!(granted.matches(name), "{granted} {requested} {name}");
                }
            }
        }

        #[test]
        fn a_longer_prefix_is_covered(
            prefix in "[ab.]{1,5}",
            rest in "[ab.*?]{0,5}",
            names in prop::collection::vec("[ab.]{1,9}", 1..20),
        ) {
            let (granted, requested) = (pattern(&format!("{prefix}*")), pattern(&format!("{prefix}{rest}")));
            prop_assert!(granted.covers(&requested));
            prop_assert!(names.iter().all(|name| !requested.matches(name) || granted.matches(name)));
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
