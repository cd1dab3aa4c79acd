//! Where requests may lead, in patterns of which one is enough.

use serde::Deserialize;

use super::http_destination_pattern::HttpDestinationPattern;
use crate::origin::HttpTarget;

/// The most that there may be.
const MAX_DESTINATIONS: usize = 64;

/// Patterns of which one is enough, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<HttpDestinationPattern>")]
pub(super) struct HttpDestinationList(Vec<HttpDestinationPattern>);

impl HttpDestinationList {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HttpDestinationPattern> {
        self.0.iter()
    }

    pub(super) fn matches_target(&self, target: &HttpTarget) -> bool {
        self.0.iter().any(|destination| destination.matches(target))
    }

    /// Those of `asked` that no single one of these covers.
    pub(super) fn missing_for(&self, asked: &Self) -> Self {
        let covered = |asked: &&HttpDestinationPattern| self.0.iter().any(|own| own.covers(asked));
        Self(asked.0.iter().filter(|destination| !covered(destination)).cloned().collect())
    }
}

impl TryFrom<Vec<HttpDestinationPattern>> for HttpDestinationList {
    type Error = String;

    fn try_from(all: Vec<HttpDestinationPattern>) -> Result<Self, String> {
        if all.len() > MAX_DESTINATIONS {
            return Err(format!(
                "{} hosts are more than the {MAX_DESTINATIONS} that there may be",
                all.len()
            ));
        }
        Ok(Self(all))
    }
}
