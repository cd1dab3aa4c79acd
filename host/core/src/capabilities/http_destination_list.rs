//! Lists of patterns of HTTP destinations.

use serde::Deserialize;

use super::http_destination_pattern::HttpDestinationPattern;
use crate::origin::HttpTarget;

/// The most patterns of a list.
const MAX_DESTINATIONS: usize = 64;

/// Patterns of HTTP destinations, in the order of the configuration. A target is allowed if one pattern matches.
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

    /// Returns the patterns of `requested` that no single pattern of this list covers.
    pub(super) fn missing_for(&self, requested: &Self) -> Self {
        let covered =
            |pattern: &&HttpDestinationPattern| self.0.iter().any(|own| own.covers(pattern));
        Self(requested.0.iter().filter(|destination| !covered(destination)).cloned().collect())
    }
}

impl TryFrom<Vec<HttpDestinationPattern>> for HttpDestinationList {
    type Error = String;

    fn try_from(all: Vec<HttpDestinationPattern>) -> Result<Self, String> {
        if all.len() > MAX_DESTINATIONS {
            return Err(format!(
                "{} hosts are more than the limit of {MAX_DESTINATIONS}",
                all.len()
            ));
        }
        Ok(Self(all))
    }
}
