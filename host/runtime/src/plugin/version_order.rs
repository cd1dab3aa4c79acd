//! The order in which the versions of a plugin were live.

use narrowboat_core::sha256_digest::Sha256Digest;

/// The most versions that are remembered.
const MAX_VERSIONS: usize = 32;

/// The order in which the versions of a plugin were live. It says which versions are older than another one. A version that
/// is deployed again is the newest; one that is live again after a rollback is older than those that were live meanwhile.
#[derive(Debug)]
pub(super) struct VersionOrder {
    /// The oldest first.
    versions: Vec<Sha256Digest>,
}

impl VersionOrder {
    pub(super) fn new(live: Sha256Digest) -> Self {
        Self { versions: vec![live] }
    }

    /// Adds a version as the newest.
    pub(super) fn publish(&mut self, version: Sha256Digest) {
        self.versions.retain(|known| *known != version);
        self.versions.push(version);
        self.forget_oldest();
    }

    /// Forgets the versions that are newer than `version`.
    pub(super) fn roll_back_to(&mut self, version: Sha256Digest) {
        match self.position(version) {
            Some(position) => self.versions.truncate(position + 1),
            None => self.versions = vec![version],
        }
    }

    /// Adds versions that were live before all others, the oldest first.
    pub(super) fn add_earlier(&mut self, mut versions: Vec<Sha256Digest>) {
        versions.retain(|version| self.position(*version).is_none());
        versions.append(&mut self.versions);
        self.versions = versions;
        self.forget_oldest();
    }

    /// The versions before `version`; all of them, if it was not live.
    pub(super) fn before(&self, version: Sha256Digest) -> &[Sha256Digest] {
        &self.versions[..self.position(version).unwrap_or(self.versions.len())]
    }

    fn position(&self, version: Sha256Digest) -> Option<usize> {
        self.versions.iter().position(|known| *known == version)
    }

    fn forget_oldest(&mut self) {
        let excess = self.versions.len().saturating_sub(MAX_VERSIONS);
        self.versions.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Sha256Digest {
        Sha256Digest::of(name.as_bytes())
    }

    fn before(order: &VersionOrder, name: &str) -> Vec<Sha256Digest> {
        order.before(version(name)).to_vec()
    }

    #[test]
    fn a_version_has_those_before_it() {
        let mut order = VersionOrder::new(version("b"));
        order.publish(version("c"));
        order.add_earlier(vec![version("a"), version("c")]);
        assert_eq!(before(&order, "c"), [version("a"), version("b")]);
        assert_eq!(before(&order, "a"), []);
        assert_eq!(before(&order, "unknown").len(), 3);
    }

    #[test]
    fn a_version_that_is_deployed_again_is_the_newest() {
        let mut order = VersionOrder::new(version("a"));
        order.publish(version("b"));
        order.publish(version("a"));
        assert_eq!(before(&order, "a"), [version("b")]);
    }

    #[test]
    fn a_version_that_is_live_after_a_rollback_is_older_than_those_since() {
        let mut order = VersionOrder::new(version("a"));
        order.publish(version("b"));
        order.roll_back_to(version("a"));
        assert_eq!(before(&order, "a"), []);
        order.publish(version("c"));
        assert_eq!(before(&order, "c"), [version("a")]);
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut order = VersionOrder::new(version("0"));
        (1..100).for_each(|number| order.publish(version(&number.to_string())));
        assert_eq!(before(&order, "99").len(), MAX_VERSIONS - 1);
    }
}
