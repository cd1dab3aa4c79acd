//! Capacities by a pattern for the channel's name.

use narrowboat_core::glob::Glob;

/// An ordered list of patterns and capacities. The first pattern that matches the whole name decides, as in
/// `channel_capacity` of Django Channels.
#[derive(Clone, Debug, Default)]
pub struct CapacityPatterns(Vec<(Glob, usize)>);

impl CapacityPatterns {
    /// Compiles the patterns in their order. This cannot fail, since every string is a valid `fnmatch` pattern.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = (P, usize)>) -> Self {
        let compile = |(pattern, capacity): (P, usize)| (Glob::new(pattern.as_ref()), capacity);
        Self(patterns.into_iter().map(compile).collect())
    }

    /// Returns the capacity of the first pattern that matches.
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
