//! Where requests may lead, in patterns of which one is enough.

use serde::Deserialize;

use super::destination::Destination;
use crate::origin::Target;

/// The most that there may be.
const MOST: usize = 64;

/// Patterns of which one is enough, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Destination>")]
pub(super) struct Destinations(Vec<Destination>);

impl Destinations {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.0.iter()
    }

    pub(super) fn match_target(&self, target: &Target) -> bool {
        self.0.iter().any(|destination| destination.matches(target))
    }

    /// Those of `asked` that no single one of these covers.
    pub(super) fn lacking(&self, asked: &Self) -> Self {
        let covered = |asked: &&Destination| self.0.iter().any(|own| own.covers(asked));
        Self(asked.0.iter().filter(|destination| !covered(destination)).cloned().collect())
    }
}

impl TryFrom<Vec<Destination>> for Destinations {
    type Error = String;

    fn try_from(all: Vec<Destination>) -> Result<Self, String> {
        if all.len() > MOST {
            return Err(format!("{} hosts are more than the {MOST} that there may be", all.len()));
        }
        Ok(Self(all))
    }
}
