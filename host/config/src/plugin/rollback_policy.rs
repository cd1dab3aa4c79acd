//! `[plugins.NAME.rollback]`: when the host rolls a new version back.

use serde::Deserialize;

use narrowboat_core::units::DurationSetting;

/// How many faults a new version may have before the host goes back to the version before.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackPolicy {
    /// How long the host watches a new version; zero: not at all.
    pub window: DurationSetting,
    /// Traps, errors and time-outs that are allowed in a thousand events. Twice the rate of the version before is
    /// allowed too, if that is more.
    pub faults_per_thousand: u32,
    /// The number of events from which on the rate counts.
    pub min_events: u64,
    /// The number of different clients that must have seen a fault.
    pub min_clients: u64,
    /// The number of clients in a hundred that must have seen a fault.
    pub clients_per_hundred: u64,
}

impl Default for RollbackPolicy {
    fn default() -> Self {
        Self {
            window: DurationSetting::from_secs(30),
            faults_per_thousand: 5,
            min_events: 200,
            min_clients: 3,
            clients_per_hundred: 50,
        }
    }
}
