//! The schedule of checks and of writing memberships again.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::health_check;
use super::membership_writer::{TenantGroup, write_all_memberships, write_group_memberships};
use super::redis_layer_core::{HostFailure, RedisLayerCore};

/// The interval at which the layer asks each server for the marker.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of the self-test.
const SELF_TEST_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest interval between two renewals of the memberships.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_millis(100);

/// The times of the next checks of the servers, and of the next writes of memberships.
pub(super) struct CheckSchedule {
    next_check: Instant,
    next_self_test: Instant,
    next_renewal: Instant,
    next_retry: Instant,
    /// Groups whose members must be written again, since Redis refused it.
    unwritten_groups: Vec<TenantGroup>,
}

impl CheckSchedule {
    pub(super) fn new(core: &RedisLayerCore, unwritten_groups: Vec<TenantGroup>) -> Self {
        let now = Instant::now();
        Self {
            next_check: now + CHECK_INTERVAL,
            next_self_test: now + SELF_TEST_INTERVAL,
            next_renewal: now + renewal_interval(core),
            next_retry: now + SELF_TEST_INTERVAL,
            unwritten_groups,
        }
    }

    /// Returns the time at which [`run_if_due`](Self::run_if_due) has something to do.
    pub(super) fn next_due(&self) -> Instant {
        self.next_check.min(self.next_self_test).min(self.next_renewal).min(self.next_retry)
    }

    /// Makes the self-test due now.
    pub(super) fn request_self_test(&mut self) {
        self.next_self_test = Instant::now();
    }

    /// Runs the checks and writes that are due.
    ///
    /// # Errors
    /// The first server that fails.
    pub(super) async fn run_if_due(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
    ) -> Result<(), HostFailure> {
        let now = Instant::now();
        if now >= self.next_check.min(self.next_self_test) {
            self.check_servers(core, connections, now).await?;
        }
        if now >= self.next_renewal {
            let refused = write_all_memberships(core, connections, true).await?;
            self.add_unwritten_groups(refused);
            self.next_renewal = Instant::now() + renewal_interval(core);
        }
        if now >= self.next_retry {
            let unwritten = std::mem::take(&mut self.unwritten_groups);
            self.unwritten_groups =
                write_group_memberships(core, connections, unwritten, false).await?;
            core.base.queue.retry_refused();
            self.next_retry = Instant::now() + SELF_TEST_INTERVAL;
        }
        Ok(())
    }

    /// Checks the servers. Writes the memberships again if one has lost its data.
    async fn check_servers(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
        now: Instant,
    ) -> Result<(), HostFailure> {
        let mut is_data_kept = true;
        if now < self.next_self_test {
            is_data_kept = health_check::check_markers(core, connections).await?;
        }
        // The self-test also writes a lost marker again.
        if now >= self.next_self_test || !is_data_kept {
            is_data_kept &= health_check::run_self_test(core, connections).await?;
            self.next_self_test = Instant::now() + SELF_TEST_INTERVAL;
        }
        self.next_check = Instant::now() + CHECK_INTERVAL;
        if is_data_kept {
            return Ok(());
        }
        core.base.health.warn_data_lost(
            "Redis has lost what was written to it, by FLUSHALL, SWAPDB or eviction",
        );
        self.rewrite_memberships(core, connections).await
    }

    /// Writes all memberships of open channels.
    ///
    /// # Errors
    /// The first server that fails.
    pub(super) async fn rewrite_memberships(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
    ) -> Result<(), HostFailure> {
        self.unwritten_groups = write_all_memberships(core, connections, false).await?;
        Ok(())
    }

    fn add_unwritten_groups(&mut self, groups: Vec<TenantGroup>) {
        for (tenant, group) in groups {
            let is_known = self
                .unwritten_groups
                .iter()
                .any(|(other, name)| Arc::ptr_eq(other, &tenant) && *name == group);
            if !is_known {
                self.unwritten_groups.push((tenant, group));
            }
        }
    }
}

/// Returns the interval at which the layer renews the memberships of open channels.
fn renewal_interval(core: &RedisLayerCore) -> Duration {
    (core.base.limits.group_expiry / 2).max(MIN_RENEWAL_INTERVAL)
}
