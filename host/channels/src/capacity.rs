//! Capacities by a pattern on the channel's name.

use narrowboat_core::glob::Glob;

/// An ordered list of patterns and capacities; the first pattern that matches a full name decides, as in Channels'
/// `channel_capacity`.
#[derive(Clone, Debug, Default)]
pub struct CapacityPatterns(Vec<(Glob, usize)>);

impl CapacityPatterns {
    /// Compiles patterns in their order. No pattern is refused, since none is wrong to `fnmatch`.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = (P, usize)>) -> Self {
        let compile = |(pattern, capacity): (P, usize)| (Glob::new(pattern.as_ref()), capacity);
        Self(patterns.into_iter().map(compile).collect())
    }

    /// The capacity that the first matching pattern gives.
    #[must_use]
    pub fn first_match(&self, name: &str) -> Option<usize> {
        let matching = self.0.iter().find(|(glob, _)| glob.matches(name));
        matching.map(|&(_, capacity)| capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let patterns = CapacityPatterns::new([("a*", 1), ("*b", 2), ("*", 3)]);
        let found = ["ab", "bb", "c"].map(|name| patterns.first_match(name));
        assert_eq!(found, [Some(1), Some(2), Some(3)]);
        assert_eq!(CapacityPatterns::default().first_match("a"), None);
    }
}
