//! The outcome of a deploy.

use std::fmt;
use std::time::Duration;

use super::deploy_error::DeployError;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_runtime::{MigrationStats, Sha256Digest};

/// The outcome of a deploy.
#[derive(Debug)]
pub enum DeployOutcome {
    /// The version is live.
    Live(DeployReport),
    /// The version was live already, or the plugin's component file has not changed since another version was deployed.
    Unchanged(Sha256Digest),
    /// The version requests more capabilities than the live version, and waits for an approval.
    Pending {
        /// The version.
        version: Sha256Digest,
        /// The requested capabilities that the live version does not have.
        extra_capabilities: Capabilities,
    },
    /// The component file changed again before this request was taken from the queue, or a reload loads it.
    Superseded,
    /// The version was refused. The live version is unchanged.
    Refused(DeployError),
}

/// The results of a successful deploy.
#[derive(Debug)]
pub struct DeployReport {
    /// The live version.
    pub version: Sha256Digest,
    /// The version that was live before.
    pub previous: Sha256Digest,
    /// How many consumers migrated, restarted, closed or kept the old version.
    pub stats: MigrationStats,
    /// The instances whose move had to wait until their code did not wait any more, or was cancelled.
    pub busy_instances: u64,
    /// Why some consumers did not migrate, each reason with its number of consumers. Empty if all did.
    pub failure_reasons: String,
    /// The time from the queue to the publication.
    pub prepare_duration: Duration,
    /// The time from the publication to the migration of the last consumer.
    pub move_duration: Duration,
}

impl fmt::Display for DeployReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MigrationStats { moved, restarted, closed, kept_old, .. } = self.stats;
        write!(
            f,
            "version {} is live after {}, prepared in {} ms; {moved} consumers moved in {} ms",
            self.version.short_hex(),
            self.previous.short_hex(),
            self.prepare_duration.as_millis(),
            self.move_duration.as_millis(),
        )?;
        if moved > 0 {
            let longest = self.stats.max_pause.as_secs_f64() * 1_000.0;
            write!(f, ", each held up for at most {longest:.2} ms")?;
        }
        match self.busy_instances {
            0 => {}
            1 => f.write_str(", after waiting for 1 instance that was busy")?,
            busy => write!(f, ", after waiting for {busy} instances that were busy")?,
        }
        for (count, what) in
            [(restarted, "restarted without state"), (closed, "closed"), (kept_old, "stay")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.failure_reasons.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.failure_reasons)
        }
    }
}
