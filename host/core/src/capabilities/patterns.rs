//! Patterns of which one is enough.

use serde::Deserialize;

use super::pattern::Pattern;

/// The most that one key may have: each is looked at when a message is sent.
const MOST: usize = 64;

/// Patterns of which one is enough, in the order in which they were written but for `*`, which comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Pattern>")]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    pub(super) fn match_name(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Those of `asked` that no single one of these covers.
    pub(super) fn lacking(&self, asked: &Self) -> Self {
        let covered = |pattern: &&Pattern| self.0.iter().any(|own| own.covers(pattern));
        Self(asked.0.iter().filter(|pattern| !covered(pattern)).cloned().collect())
    }
}

impl TryFrom<Vec<Pattern>> for Patterns {
    type Error = String;

    fn try_from(all: Vec<Pattern>) -> Result<Self, String> {
        if all.len() > MOST {
            return Err(format!(
                "{} patterns are more than the {MOST} that there may be",
                all.len()
            ));
        }
        let mut patterns: Vec<Pattern> = Vec::new();
        for pattern in all {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        patterns.sort_by_key(|pattern| !pattern.is_everything());
        Ok(Self(patterns))
    }
}
