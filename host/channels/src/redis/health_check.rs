//! Checks of servers: whether they accept the layer's commands, and have kept its data.

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value};

use super::redis_layer_core::{HostFailure, RedisLayerCore};
use super::scripts;
use crate::LAYER_EVENTS_GROUP;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::ErrorClass;

/// The lifetime of the marker without a check. The marker is a key that shows that a server has kept its data.
const MARKER_SECONDS: u64 = 600;

/// The only member of the marker.
const MARKER_MEMBER: &str = "narrowboat";

/// The number of commands of the self-test.
const SELF_TEST_COMMAND_COUNT: usize = 8;

/// Asks each server for the marker. Returns whether all have it.
///
/// # Errors
/// The first server that is unreachable or refuses the command.
pub(super) async fn check_markers(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
) -> Result<bool, HostFailure> {
    let mut commands = Pipeline::new();
    commands.cmd("ZCARD").arg(own_marker_key(core));
    let replies = query_all(connections, &commands, 1).await?;
    for (host, replies) in replies.iter().enumerate() {
        check_replies(host, replies)?;
    }
    Ok(replies.iter().all(|replies| has_marker(replies.first())))
}

/// Runs every command of the layer on each server, without an effect, and writes the marker. Returns whether all
/// servers had it, and have evicted nothing.
///
/// # Errors
/// The first server that is unreachable or refuses a command.
pub(super) async fn run_self_test(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
) -> Result<bool, HostFailure> {
    let commands = self_test_commands(core);
    let replies = query_all(connections, &commands, SELF_TEST_COMMAND_COUNT).await?;
    let mut is_data_kept = true;
    for (host, mut replies) in replies.into_iter().enumerate() {
        // A user without the permission for INFO learns nothing about evictions.
        let info = replies.pop();
        check_replies(host, &replies)?;
        is_data_kept &= has_marker(replies.first());
        if info.is_some_and(|info| core.evictions[host].has_grown(&info)) {
            core.base.health.warn_data_lost(
                "Redis evicts keys, which may include groups: set its maxmemory-policy to noeviction",
            );
            is_data_kept = false;
        }
    }
    Ok(is_data_kept)
}

fn self_test_commands(core: &RedisLayerCore) -> Pipeline {
    let mut commands = Pipeline::new();
    let now = core.clock.now();
    let marker = own_marker_key(core);
    commands.cmd("ZCARD").arg(&marker);
    // This group exists on no server, since each process has its own.
    let tenant = core.tenant(&Tenant::default_tenant());
    let group = format!("{}:group:{LAYER_EVENTS_GROUP}", tenant.keys.prefix());
    // With two keys, since a cluster refuses that. The capacity of the second is 0.
    commands.cmd("EVAL").arg(scripts::PUT_MESSAGES).arg(2).arg(&marker).arg(&group);
    commands.arg(-1).arg(MARKER_SECONDS);
    commands.arg(now).arg(2).arg(MARKER_MEMBER);
    commands.arg(now).arg(0).arg(MARKER_MEMBER);
    commands.cmd("ZADD").arg(&group).arg("XX").arg(now).arg(MARKER_MEMBER);
    commands.cmd("EXPIRE").arg(&group).arg(1);
    commands.cmd("ZREM").arg(&group).arg(MARKER_MEMBER);
    commands.cmd("ZREMRANGEBYSCORE").arg(&group).arg(0).arg(0);
    commands.cmd("ZRANGE").arg(&group).arg(0).arg(0);
    commands.cmd("INFO").arg("stats");
    commands
}

/// Returns the key of this process's marker.
pub(super) fn own_marker_key(core: &RedisLayerCore) -> String {
    core.tenant(&Tenant::default_tenant()).keys.marker_key(&core.process)
}

/// Whether the reply to `ZCARD` shows that the marker exists.
pub(super) fn has_marker(cardinality: Option<&Value>) -> bool {
    matches!(cardinality, Some(Value::Int(1..)))
}

async fn query_all(
    connections: &[MultiplexedConnection],
    commands: &Pipeline,
    count: usize,
) -> Result<Vec<Vec<Value>>, HostFailure> {
    let queries = connections.iter().enumerate().map(async |(host, connection)| {
        let mut connection = connection.clone();
        let replies: RedisResult<Vec<Value>> =
            connection.send_packed_commands(commands, 0, count).await;
        replies.map_err(|error| (host, error))
    });
    futures_util::future::try_join_all(queries).await
}

/// Returns the first error of a server. An error about the type of a key does not count, since another program may have
/// written that key.
fn check_replies(host: usize, replies: &[Value]) -> Result<(), HostFailure> {
    let error = replies.iter().find_map(|reply| match reply {
        Value::ServerError(error) if ErrorClass::of_reply(error) != ErrorClass::Key => {
            Some(error.clone())
        }
        _ => None,
    });
    error.map_or(Ok(()), |error| Err((host, error.into())))
}
