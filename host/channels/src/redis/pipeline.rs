//! The task that carries what is asked for to Redis, in order, a batch a round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tokio::time::{Instant, sleep, sleep_until};

use super::RedisLayerCore;
use super::health::{ConnectionHealth, Health};
use super::health_check;
use super::membership_writer::{
    TenantGroup, restore_memberships, write_all_memberships, write_group_memberships,
};
use super::operation_queue::AttachGuard;
use super::redis_op::{KeyMessage, RedisOp};
use super::round_trip::RoundTrip;
use narrowboat_redis_client::ErrorClass;

/// How long an answer may take before the server counts as away.
const ANSWER: Duration = Duration::from_secs(2);

/// How often a server is asked whether it is there and has kept its data.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is tried whether a server takes what a layer asks of it.
const SELF_TEST_INTERVAL: Duration = Duration::from_secs(5);

/// A server that was there for less than this may pass every check and refuse what is asked.
const MIN_STABLE_UPTIME: Duration = Duration::from_secs(1);

/// The shortest time between two renewals of the memberships.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_millis(100);

/// A failure, and the place of the server that failed.
pub(super) type HostFailure = (usize, RedisError);

/// The connections to every host, each at its place.
type HostConnections = Vec<MultiplexedConnection>;

/// Pauses between attempts to reach a server: short, since clients wait, and spread, since other hosts try too.
pub(crate) fn reconnect_delays() -> impl Iterator<Item = Duration> {
    jittered_backoff(Duration::from_millis(50), Duration::from_millis(500))
}

/// Pauses before a server is reached again that was there for less than [`BRIEF`].
fn unstable_host_delays() -> impl Iterator<Item = Duration> {
    jittered_backoff(Duration::from_millis(500), Duration::from_secs(8))
}

/// Pauses that grow from the first to the last of two, without end.
fn jittered_backoff(first: Duration, last: Duration) -> impl Iterator<Item = Duration> {
    let backoff = ExponentialBuilder::default().with_min_delay(first).with_max_delay(last);
    backoff.with_jitter().without_max_times().build()
}

/// Goes on for ever: connects, carries, and begins again when a server goes away.
pub(super) async fn run_pipeline(core: Arc<RedisLayerCore>) {
    let link = core.base.health.register_connection();
    let mut rests = unstable_host_delays();
    loop {
        let (connections, attached, unwritten) = connect_and_restore(&core, &link).await;
        core.base.drop_expired();
        link.mark_up();
        let began = Instant::now();
        let mut pending = PipelineBacklog::default();
        let (at, error) = process_batches(&core, &connections, &mut pending, unwritten).await;
        drop(attached);
        Health::count(&core.base.health.lost, pending.message_count());
        let server = &core.base.servers[at];
        link.mark_down(server.name(), &error);
        core.restart_readers();
        // Otherwise a server that passes every check and then refuses would be lost and found many times a second.
        if began.elapsed() < MIN_STABLE_UPTIME {
            sleep(rests.next().unwrap_or(CHECK_INTERVAL)).await;
        } else {
            rests = unstable_host_delays();
        }
    }
}

/// Messages between two round trips.
#[derive(Default)]
pub(super) struct PipelineBacklog {
    /// Those whose receivers are known.
    pub(super) ready: Vec<KeyMessage>,
    /// What is to be asked once more before anything else.
    pub(super) retries: Vec<RedisOp>,
}

impl PipelineBacklog {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.retries.is_empty()
    }

    fn message_count(&self) -> u64 {
        (self.ready.len() + self.retries.len()) as u64
    }
}

/// Connects to every host, and sees to it that it takes what is asked of it and that the memberships stand there.
/// Gives the groups that have another type.
async fn connect_and_restore<'a>(
    core: &'a RedisLayerCore,
    link: &ConnectionHealth<'_>,
) -> (HostConnections, AttachGuard<'a, RedisOp>, Vec<TenantGroup>) {
    let mut pauses = reconnect_delays();
    loop {
        let reached = async {
            let connections = connect(core).await?;
            // Nothing is carried before the servers have taken once all that may be asked of them: some answer and refuse.
            health_check::run_self_test(core, &connections).await?;
            let attached = core.base.queue.attach();
            let unwritten = restore_memberships(core, &connections, &attached).await?;
            Ok((connections, attached, unwritten))
        };
        match reached.await {
            Ok(reached) => return reached,
            Err((at, error)) => link.mark_down(core.base.servers[at].name(), &error),
        }
        sleep(pauses.next().unwrap_or(CHECK_INTERVAL)).await;
    }
}

async fn connect(core: &RedisLayerCore) -> Result<HostConnections, HostFailure> {
    let connecting = core.base.servers.iter().enumerate().map(async |(at, server)| {
        let connected = async {
            let mut connection = server.connect(ANSWER).await?;
            let role: RedisResult<redis::Value> =
                redis::cmd("ROLE").query_async(&mut connection).await;
            match role {
                Ok(role) => writable(&role)?,
                // Whoever may not ask finds out when it writes.
                Err(error) if ErrorClass::of(&error) == ErrorClass::Access => {}
                Err(error) => return Err(error),
            }
            Ok(connection)
        };
        connected.await.map_err(|error: RedisError| (at, error))
    });
    futures_util::future::try_join_all(connecting).await
}

/// Only a master can be written to.
fn writable(role: &redis::Value) -> RedisResult<()> {
    let redis::Value::Array(role) = role else { return Ok(()) };
    match role.first().map(redis::from_redis_value_ref::<String>) {
        Some(Ok(role)) if role != "master" => {
            let error = format!("the server is a {role}, and cannot be written to");
            Err(std::io::Error::other(error).into())
        }
        _ => Ok(()),
    }
}

/// Carries batches until a server fails, and says which. What was pending then stays so.
async fn process_batches(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    pending: &mut PipelineBacklog,
    unwritten: Vec<TenantGroup>,
) -> HostFailure {
    let mut checks = CheckSchedule::new(core, unwritten);
    loop {
        core.base.health.begin_round_trip();
        if core.resync_needed.swap(false, Ordering::Relaxed)
            && let Err(failed) = checks.rewrite_memberships(core, connections).await
        {
            return failed;
        }
        if let Err(failed) = checks.run_if_due(core, connections).await {
            return failed;
        }
        let mut batch = if !pending.retries.is_empty() {
            // Nothing more is taken before that is done.
            core.base.queue.empty_batch()
        } else if !pending.is_empty() {
            core.base.queue.try_next_batch()
        } else {
            tokio::select! {
                batch = core.base.queue.next() => batch,
                () = sleep_until(checks.next_due()) => continue,
                () = core.self_test_requested.notified() => {
                    checks.request_self_test();
                    continue;
                }
            }
        };
        let mut stage = RoundTrip::new(core, std::mem::take(pending), &mut batch);
        match stage.execute(core, connections).await {
            Ok(puts) => pending.ready = puts,
            Err(failed) => return failed,
        }
        batch.mark_written_except(&stage.refused_memberships);
        if stage.is_forgotten {
            pending.retries = stage.take_retries();
        }
        if stage.is_forgotten || stage.is_access_denied {
            checks.request_self_test();
        }
    }
}

/// When servers are asked next whether they are well, and memberships are written again.
struct CheckSchedule {
    next_check: Instant,
    next_self_test: Instant,
    next_renewal: Instant,
    next_retry: Instant,
    /// Groups whose members are to be written, since that was refused.
    unwritten_groups: Vec<TenantGroup>,
}

impl CheckSchedule {
    fn new(core: &RedisLayerCore, unwritten_groups: Vec<TenantGroup>) -> Self {
        let now = Instant::now();
        Self {
            next_check: now + CHECK_INTERVAL,
            next_self_test: now + SELF_TEST_INTERVAL,
            next_renewal: now + renewal_period(core),
            next_retry: now + SELF_TEST_INTERVAL,
            unwritten_groups,
        }
    }

    fn next_due(&self) -> Instant {
        self.next_check.min(self.next_self_test).min(self.next_renewal).min(self.next_retry)
    }

    fn request_self_test(&mut self) {
        self.next_self_test = Instant::now();
    }

    /// Does what is due.
    async fn run_if_due(
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
            self.next_renewal = Instant::now() + renewal_period(core);
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

    /// Asks whether servers are well. Where one has forgotten what was written to it, the memberships are written again.
    async fn check_servers(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
        now: Instant,
    ) -> Result<(), HostFailure> {
        let mut is_kept = true;
        if now < self.next_self_test {
            is_kept = health_check::check_markers(core, connections).await?;
        }
        // Also after a marker that is gone: it is written again by this.
        if now >= self.next_self_test || !is_kept {
            is_kept &= health_check::run_self_test(core, connections).await?;
            self.next_self_test = Instant::now() + SELF_TEST_INTERVAL;
        }
        self.next_check = Instant::now() + CHECK_INTERVAL;
        if is_kept {
            return Ok(());
        }
        core.base.health.warn_data_lost(
            "Redis has lost what was written to it, by FLUSHALL, SWAPDB or eviction",
        );
        self.rewrite_memberships(core, connections).await
    }

    async fn rewrite_memberships(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
    ) -> Result<(), HostFailure> {
        self.unwritten_groups = write_all_memberships(core, connections, false).await?;
        Ok(())
    }

    fn add_unwritten_groups(&mut self, groups: Vec<TenantGroup>) {
        for (world, group) in groups {
            let is_known = self
                .unwritten_groups
                .iter()
                .any(|(other, name)| Arc::ptr_eq(other, &world) && *name == group);
            if !is_known {
                self.unwritten_groups.push((world, group));
            }
        }
    }
}

fn renewal_period(core: &RedisLayerCore) -> Duration {
    (core.base.limits.group_expiry / 2).max(MIN_RENEWAL_INTERVAL)
}
