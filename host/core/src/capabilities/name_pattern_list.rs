//! Lists of patterns of names.

use serde::Deserialize;

use super::name_pattern::NamePattern;

/// The most patterns of a list. Each is checked when a message is sent.
const MAX_PATTERNS: usize = 64;

/// Patterns of names, in the order of the configuration, except that `*` comes first. A name is allowed if one pattern
/// matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<NamePattern>")]
pub(super) struct NamePatternList(Vec<NamePattern>);

impl NamePatternList {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &NamePattern> {
        self.0.iter()
    }

    pub(super) fn matches_name(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns the patterns of `requested` that no single pattern of this list covers.
    pub(super) fn missing_for(&self, requested: &Self) -> Self {
        let covered = |pattern: &&NamePattern| self.0.iter().any(|own| own.covers(pattern));
        Self(requested.0.iter().filter(|pattern| !covered(pattern)).cloned().collect())
    }
}

impl TryFrom<Vec<NamePattern>> for NamePatternList {
    type Error = String;

    fn try_from(all: Vec<NamePattern>) -> Result<Self, String> {
        if all.len() > MAX_PATTERNS {
            return Err(format!(
                "{} patterns are more than the limit of {MAX_PATTERNS}",
                all.len()
            ));
        }
        let mut patterns: Vec<NamePattern> = Vec::new();
        for pattern in all {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        patterns.sort_by_key(|pattern| !pattern.is_match_all());
        Ok(Self(patterns))
    }
}
