//! The task that sends queued operations to Redis, in order, one batch in each round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep, sleep_until};

use super::check_schedule::{CHECK_INTERVAL, CheckSchedule};
use super::health_check;
use super::host_connections::{HostConnections, connect_all};
use super::membership_writer::{TenantGroup, restore_memberships};
use super::pipeline_backlog::PipelineBacklog;
use super::redis_layer_core::{HostFailure, RedisLayerCore};
use super::redis_op::RedisOp;
use super::round_trip::RoundTrip;
use crate::redis_common::{
    AttachGuard, ConnectionHealth, LayerHealth, OperationBatch, jittered_backoff, reconnect_delays,
};

/// A server that fails sooner than this after connecting may pass every check and refuse every operation.
const MIN_STABLE_UPTIME: Duration = Duration::from_secs(1);

/// The connections to every host, with the right to take deferred memberships, and the groups that Redis refused to
/// restore.
struct ConnectedHosts<'a> {
    connections: HostConnections,
    attached: AttachGuard<'a, RedisOp>,
    unwritten_groups: Vec<TenantGroup>,
}

/// Returns the delays before connecting again to a server that failed within [`MIN_STABLE_UPTIME`].
fn unstable_host_delays() -> impl Iterator<Item = Duration> {
    jittered_backoff(Duration::from_millis(500), Duration::from_secs(8))
}

/// Runs for ever: connects, sends batches, and connects again when a server fails.
pub(super) async fn run_pipeline(core: Arc<RedisLayerCore>) {
    let connection_health = core.base.health.register_connection();
    let mut delays = unstable_host_delays();
    loop {
        let ConnectedHosts { connections, attached, unwritten_groups } =
            connect_and_restore(&core, &connection_health).await;
        core.base.drop_expired();
        connection_health.mark_up();
        let connected_at = Instant::now();
        let mut backlog = PipelineBacklog::default();
        let checks = CheckSchedule::new(&core, unwritten_groups);
        let (host, error) = process_batches(&core, &connections, &mut backlog, checks).await;
        drop(attached);
        LayerHealth::add_to_counter(&core.base.health.lost, backlog.message_count());
        connection_health.mark_down(core.base.servers[host].name(), &error);
        core.restart_readers();
        // Without this delay, a server that passes every check and then refuses operations would be lost and found many
        // times a second.
        if connected_at.elapsed() < MIN_STABLE_UPTIME {
            sleep(delays.next().unwrap_or(CHECK_INTERVAL)).await;
        } else {
            delays = unstable_host_delays();
        }
    }
}

/// Connects to every host, runs the self-test and restores the memberships. Tries until that succeeds.
async fn connect_and_restore<'a>(
    core: &'a RedisLayerCore,
    connection_health: &ConnectionHealth<'_>,
) -> ConnectedHosts<'a> {
    let mut delays = reconnect_delays();
    loop {
        let attempt = async {
            let connections = connect_all(core).await?;
            // Send nothing before the servers have accepted every kind of command once: some reply and refuse.
            health_check::run_self_test(core, &connections).await?;
            let attached = core.base.queue.attach();
            let unwritten_groups = restore_memberships(core, &connections, &attached).await?;
            Ok::<_, HostFailure>(ConnectedHosts { connections, attached, unwritten_groups })
        };
        match attempt.await {
            Ok(connected) => return connected,
            Err((host, error)) => {
                connection_health.mark_down(core.base.servers[host].name(), &error);
            }
        }
        sleep(delays.next().unwrap_or(CHECK_INTERVAL)).await;
    }
}

/// Sends batches until a server fails, and returns the failure. The messages between two round trips stay in `backlog`.
async fn process_batches(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    backlog: &mut PipelineBacklog,
    mut checks: CheckSchedule,
) -> HostFailure {
    loop {
        core.base.health.begin_round_trip();
        if core.resync_needed.swap(false, Ordering::Relaxed)
            && let Err(failure) = checks.rewrite_memberships(core, connections).await
        {
            return failure;
        }
        if let Err(failure) = checks.run_if_due(core, connections).await {
            return failure;
        }
        let Some(mut batch) = next_batch(core, backlog, &mut checks).await else { continue };
        let mut round_trip = RoundTrip::new(core, std::mem::take(backlog), &mut batch);
        match round_trip.execute(core, connections).await {
            Ok(messages) => backlog.ready_messages = messages,
            Err(failure) => return failure,
        }
        batch.mark_written_except(&round_trip.refused_memberships);
        if round_trip.is_data_lost {
            backlog.retries = round_trip.take_retries();
        }
        if round_trip.is_data_lost || round_trip.is_access_denied {
            checks.request_self_test();
        }
    }
}

/// Takes the batch of the next round trip. Waits for one unless there is a backlog. Returns `None` when a check is due.
async fn next_batch<'a>(
    core: &'a RedisLayerCore,
    backlog: &PipelineBacklog,
    checks: &mut CheckSchedule,
) -> Option<OperationBatch<'a, RedisOp>> {
    let queue = &core.base.queue;
    if !backlog.retries.is_empty() {
        // Operations to repeat come before any from the queue.
        return Some(queue.empty_batch());
    }
    if !backlog.is_empty() {
        return Some(queue.try_next_batch());
    }
    tokio::select! {
        batch = queue.next_batch() => Some(batch),
        () = sleep_until(checks.next_due()) => None,
        () = core.self_test_requested.notified() => {
            checks.request_self_test();
            None
        }
    }
}
