//! The settings of a plugin whose idle connections give their instances back.

use std::time::Duration;

use super::ManifestError;
use crate::units::DurationSetting;

/// The time without events after which a connection hibernates, in a manifest that does not set it.
const DEFAULT_AFTER: Duration = Duration::from_secs(60);

/// The shortest time without events after which a connection hibernates.
const MIN_AFTER: Duration = Duration::from_millis(100);

/// The keys about hibernation in a manifest.
pub(super) struct RawHibernation {
    pub(super) hibernate: bool,
    pub(super) hibernate_after: Option<DurationSetting>,
}

impl RawHibernation {
    /// The time without events after which a connection gives its instance back; `None` if it keeps it. `is_own_instance` says
    /// whether each connection has an instance of its own.
    pub(super) fn check(&self, is_own_instance: bool) -> Result<Option<Duration>, ManifestError> {
        match (self.hibernate, self.hibernate_after) {
            (true, _) if !is_own_instance => Err(ManifestError::HibernationOfSharedInstance),
            (true, Some(after)) if after.duration() < MIN_AFTER => {
                Err(ManifestError::HibernationTooSoon)
            }
            (true, after) => Ok(Some(after.map_or(DEFAULT_AFTER, DurationSetting::duration))),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(ManifestError::HibernationUnused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn parse(keys: &str) -> Result<Option<Duration>, ManifestError> {
        let parsed = Manifest::parse(format!("name = \"chat\"\n{keys}").as_bytes());
        parsed.map(|parsed| parsed.hibernate_after)
    }

    #[test]
    fn connections_hibernate_after_a_minute_if_the_manifest_asks_for_it() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("hibernate = true"), Ok(Some(Duration::from_mins(1))));
        let after = parse("hibernate = true\nhibernate_after = \"10s\"");
        assert_eq!(after, Ok(Some(Duration::from_secs(10))));
        let soon = parse("hibernate = true\nhibernate_after = \"99ms\"");
        assert_eq!(soon, Err(ManifestError::HibernationTooSoon));
    }

    #[test]
    fn only_instances_of_one_connection_hibernate() {
        let shared = parse("isolation = \"shared\"\nhibernate = true");
        assert_eq!(shared, Err(ManifestError::HibernationOfSharedInstance));
        assert_eq!(parse("hibernate_after = \"10s\""), Err(ManifestError::HibernationUnused));
    }
}
