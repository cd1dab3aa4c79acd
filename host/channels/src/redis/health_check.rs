//! Whether a server takes what a layer asks of it, and still has what was written there.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};

use super::RedisLayerCore;
use super::scripts;
use crate::LAYER_EVENTS_GROUP;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::ErrorClass;

/// How long the key that shows that a server has kept its data lasts without a check.
const MARKER_SECONDS: u64 = 600;

/// What the marker has as its only member.
const MARKER_MEMBER: &str = "narrowboat";

/// A server that failed a check, and how.
pub(super) type FailedCheck = (usize, RedisError);

/// How many keys a server had evicted when it was last asked.
pub(super) struct EvictionCounter(AtomicU64);

impl Default for EvictionCounter {
    fn default() -> Self {
        Self(AtomicU64::new(Self::UNKNOWN))
    }
}

impl EvictionCounter {
    /// It was never asked.
    const UNKNOWN: u64 = u64::MAX;

    /// Whether the server has evicted keys since it was last asked. What it evicted before the first time is no news.
    fn has_grown(&self, info: &Value) -> bool {
        let Ok(info) = redis::from_redis_value_ref::<String>(info) else { return false };
        let count = info.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
        let Some(count) = count.and_then(|count| count.trim().parse().ok()) else { return false };
        let before = self.0.swap(count, Ordering::Relaxed);
        before != Self::UNKNOWN && before < count
    }
}

/// Asks whether each server is there and has kept the marker.
pub(super) async fn check_markers(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
) -> Result<bool, FailedCheck> {
    let mut asked = Pipeline::new();
    asked.cmd("ZCARD").arg(own_marker_key(core));
    let answers = query_all(connections, &asked, 1).await?;
    for (at, answers) in answers.iter().enumerate() {
        check_replies(at, answers)?;
    }
    Ok(answers.iter().all(|answers| has_marker(answers.first())))
}

/// Does on each server, without an effect, what the layer does there, and writes the marker. Says whether it was there.
pub(super) async fn run_self_test(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
) -> Result<bool, FailedCheck> {
    let mut asked = Pipeline::new();
    let now = core.clock.now();
    let marker = own_marker_key(core);
    asked.cmd("ZCARD").arg(&marker);
    // A group that no server has: it is each process's own.
    let world = core.tenant(&Tenant::default_tenant());
    let group = format!("{}:group:{LAYER_EVENTS_GROUP}", world.keys.prefix());
    // For two keys, as a cluster does not take it. There is no room under the second.
    asked.cmd("EVAL").arg(scripts::PUT_MESSAGES).arg(2).arg(&marker).arg(&group);
    asked
        .arg(-1)
        .arg(MARKER_SECONDS)
        .arg(now)
        .arg(2)
        .arg(MARKER_MEMBER)
        .arg(now)
        .arg(0)
        .arg(MARKER_MEMBER);
    asked.cmd("ZADD").arg(&group).arg("XX").arg(now).arg(MARKER_MEMBER);
    asked.cmd("EXPIRE").arg(&group).arg(1);
    asked.cmd("ZREM").arg(&group).arg(MARKER_MEMBER);
    asked.cmd("ZREMRANGEBYSCORE").arg(&group).arg(0).arg(0);
    asked.cmd("ZRANGE").arg(&group).arg(0).arg(0);
    // Whoever may not ask is not told of evictions.
    asked.cmd("INFO").arg("stats");
    let answers = query_all(connections, &asked, 8).await?;
    let mut kept = true;
    for (at, mut answers) in answers.into_iter().enumerate() {
        let info = answers.pop();
        check_replies(at, &answers)?;
        kept &= has_marker(answers.first());
        if info.is_some_and(|info| core.evictions[at].has_grown(&info)) {
            core.base.health.warn_data_lost(
                "Redis evicts keys, of which groups may be some: its maxmemory-policy should be noeviction",
            );
            kept = false;
        }
    }
    Ok(kept)
}

/// The key that shows that a server has kept its data.
pub(super) fn own_marker_key(core: &RedisLayerCore) -> String {
    core.tenant(&Tenant::default_tenant()).keys.marker_key(&core.process)
}

/// Whether the number of members shows that the marker is there.
pub(super) fn has_marker(cardinality: Option<&Value>) -> bool {
    matches!(cardinality, Some(Value::Int(1..)))
}

async fn query_all(
    connections: &[MultiplexedConnection],
    asked: &Pipeline,
    count: usize,
) -> Result<Vec<Vec<Value>>, FailedCheck> {
    let asking = connections.iter().enumerate().map(async |(at, connection)| {
        let mut connection = connection.clone();
        let answers: RedisResult<Vec<Value>> =
            connection.send_packed_commands(asked, 0, count).await;
        answers.map_err(|error| (at, error))
    });
    futures_util::future::try_join_all(asking).await
}

/// The first error of a server. A key of another type is one that somebody else has put there.
fn check_replies(at: usize, answers: &[Value]) -> Result<(), FailedCheck> {
    let refused = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) if ErrorClass::of_reply(error) != ErrorClass::Key => {
            Some(error.clone())
        }
        _ => None,
    });
    refused.map_or(Ok(()), |error| Err((at, error.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_were_evicted_since_the_first_look_are_news() {
        let evictions = EvictionCounter::default();
        let grew = |count: u64| {
            let info = format!("# Stats\r\nexpired_keys:9\r\nevicted_keys:{count}\r\n");
            evictions.has_grown(&Value::BulkString(info.into_bytes()))
        };
        assert_eq!([7, 7, 8, 8].map(grew), [false, false, true, false]);
        // A server that was started again counts from the beginning.
        assert_eq!([0, 1].map(grew), [false, true]);
    }
}
