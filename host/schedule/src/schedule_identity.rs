//! The identity of a schedule, by which hosts find its record.

use narrowboat_config::CronSchedule;
use narrowboat_core::name::{ChannelName, Tenant};
use sha2::{Digest, Sha256};

/// The identity of a schedule. Hosts that have the same one share its runs.
#[derive(Debug, Clone)]
pub struct ScheduleIdentity {
    /// The tenant of the worker.
    pub tenant: Tenant,
    /// The plugin of the worker.
    pub plugin: String,
    /// The channel of the worker.
    pub channel: ChannelName,
}

impl ScheduleIdentity {
    /// The parts, for operators who read the store.
    pub(crate) fn describe(&self, schedule: &CronSchedule) -> String {
        let Self { tenant, plugin, channel } = self;
        let (expression, zone) = (schedule.expression(), schedule.zone_name());
        format!("{tenant} {plugin} {channel} {expression} {zone}")
    }

    /// The key of the record. It has a bounded length, and does not depend on characters in names.
    pub(crate) fn key(&self, schedule: &CronSchedule, generation: u64) -> String {
        let mut hasher = Sha256::new();
        let generation = generation.to_string();
        let parts = [
            self.tenant.as_str(),
            &self.plugin,
            self.channel.as_str(),
            schedule.expression(),
            schedule.zone_name(),
            &generation,
        ];
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
