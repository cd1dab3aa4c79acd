//! The task that subscribes and publishes, in order, and the tasks that receive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSubStream;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::pubsub_op::{PubSubOp, PublishedMessage};
use super::redis_pubsub_core::RedisPubSubCore;
use super::server_connections::ServerConnections;
use crate::layer_events::is_process_local_group;
use crate::redis_common::{
    AttachGuard, BatchItem, LayerHealth, LeaseRequest, OperationBatch, UnansweredMessages,
    flushing_task, reconnect_delays,
};
use crate::{LAYER_EVENTS_GROUP, LayerError};
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// The interval at which the task checks both connections to each server, also while messages pass.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// A failure of a server, and the server's index.
type PubSubHostFailure = (usize, RedisError);

/// Runs for ever: connects, carries out batches, and connects again when a server fails.
pub(super) async fn run_pubsub(core: Arc<RedisPubSubCore>) {
    let connection_health = core.base.health.register_connection();
    let mut delays = reconnect_delays();
    loop {
        let mut receivers = JoinSet::new();
        let (host, error) = match connect_all(&core, &mut receivers).await {
            Ok((mut connections, _attached)) => {
                core.base.drop_expired();
                connection_health.mark_up();
                delays = reconnect_delays();
                tokio::select! {
                    failure = process_batches(&core, &mut connections) => failure,
                    Some(host) = receivers.join_next() => {
                        let closed = std::io::Error::new(
                            std::io::ErrorKind::ConnectionReset,
                            "the connection for subscriptions was closed",
                        );
                        (host.unwrap_or(0), closed.into())
                    }
                }
            }
            Err(failure) => failure,
        };
        connection_health.mark_down(core.base.servers[host].name(), &error);
        sleep(delays.next().unwrap_or(PING_INTERVAL)).await;
    }
}

/// Connects to every server, subscribes to the topics of all open channels, and runs the self-test.
async fn connect_all<'a>(
    core: &'a Arc<RedisPubSubCore>,
    receivers: &mut JoinSet<usize>,
) -> Result<(Vec<ServerConnections>, AttachGuard<'a, PubSubOp>), PubSubHostFailure> {
    let mut connections = Vec::new();
    for (host, server) in core.base.servers.iter().enumerate() {
        let (server_connections, published) =
            ServerConnections::connect(server).await.map_err(|error| (host, error))?;
        receivers.spawn(flushing_task(receive_published(Arc::clone(core), host, published)));
        connections.push(server_connections);
    }
    let attached = core.base.queue.attach();
    for (host, topics) in wanted_topics(core).iter().enumerate() {
        let subscribed = connections[host].set_subscribed(topics, true).await;
        subscribed.map_err(|error| (host, error))?;
    }
    run_self_test(core, &mut connections).await?;
    Ok((connections, attached))
}

/// Returns the topics of all open channels and their groups, by server.
fn wanted_topics(core: &RedisPubSubCore) -> Vec<Vec<String>> {
    let mut wanted: Vec<Vec<String>> = core.base.servers.iter().map(|_| Vec::new()).collect();
    for tenant in core.tenants() {
        let (names, local) = (&tenant.topic_names, &tenant.local);
        for topics in &mut wanted {
            topics.push(names.own_channel_pattern());
        }
        let groups = local.group_names();
        for group in groups.iter().filter(|group| !is_process_local_group(group)) {
            for (shard, topic) in names.group_topics(group) {
                wanted[shard].push(topic);
            }
        }
        for channel in local.channel_names() {
            if !names.is_own_channel(channel.as_str()) {
                let (shard, topic) = names.channel_topic(&channel);
                wanted[shard].push(topic);
            }
        }
    }
    wanted
}

/// Puts published messages into the mailboxes until the connection closes. Returns the server's index.
async fn receive_published(
    core: Arc<RedisPubSubCore>,
    host: usize,
    mut published: PubSubStream,
) -> usize {
    while let Some(message) = published.next().await {
        match message.get_channel::<String>() {
            Ok(topic) => match message.get_payload::<Vec<u8>>() {
                Ok(wire) => core.deliver(&topic, wire),
                Err(error) => core.base.health.record_unexpected_value(&topic, error),
            },
            Err(error) => core.base.health.record_unexpected_value("", error),
        }
    }
    host
}

/// Carries out batches until a server fails, and returns the failure.
async fn process_batches(
    core: &RedisPubSubCore,
    connections: &mut [ServerConnections],
) -> PubSubHostFailure {
    let mut next_test = Instant::now() + PING_INTERVAL;
    loop {
        core.base.health.begin_round_trip();
        // A queue that is never empty must not delay the self-test.
        let batch = match Instant::now() < next_test {
            true => timeout_at(next_test, core.base.queue.next_batch()).await.ok(),
            false => None,
        };
        let result = match batch {
            Some(batch) => process_batch(core, connections, batch).await,
            None => {
                let tested = run_self_test(core, connections).await;
                next_test = Instant::now() + PING_INTERVAL;
                tested
            }
        };
        if let Err(failure) = result {
            return failure;
        }
    }
}

/// Publishes an empty message that nobody receives, and pings the connections for subscriptions: some servers accept
/// connections and refuse commands.
async fn run_self_test(
    core: &RedisPubSubCore,
    connections: &mut [ServerConnections],
) -> Result<(), PubSubHostFailure> {
    let topic = format!("{}__narrowboat__{LAYER_EVENTS_GROUP}", core.prefix);
    for (host, connection) in connections.iter_mut().enumerate() {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&topic).arg("");
        let published: RedisResult<Value> = publish.query_async(&mut connection.commands).await;
        published.map_err(|error| (host, error))?;
        connection.ping().await.map_err(|error| (host, error))?;
    }
    Ok(())
}

/// Carries out a batch in order, so that a process receives what is published after it has joined a group. If a server
/// fails, the rest goes back to the queue with the batch.
async fn process_batch(
    core: &RedisPubSubCore,
    connections: &mut [ServerConnections],
    mut batch: OperationBatch<'_, PubSubOp>,
) -> Result<(), PubSubHostFailure> {
    loop {
        publish_messages(core, connections, &mut batch).await?;
        if let Some(PubSubOp::UpdateSubscription(_)) = batch.peek() {
            update_subscriptions(connections, &mut batch).await?;
            continue;
        }
        match batch.next() {
            Some(BatchItem::Other(PubSubOp::AcquireLease(request))) => {
                acquire_lease(connections, request).await?;
            }
            Some(BatchItem::Other(PubSubOp::Barrier(barrier))) => {
                let _ = barrier.send(Ok(()));
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Acquires a lease. A refusal fails the lease alone, since no other operation of this layer writes.
async fn acquire_lease(
    connections: &mut [ServerConnections],
    request: LeaseRequest,
) -> Result<(), PubSubHostFailure> {
    let shard = request.shard;
    match request.set_command().query_async(&mut connections[shard].commands).await {
        Ok(reply) => request.send_reply(&reply),
        Err(error) if ErrorClass::of(&error) == ErrorClass::Connection => {
            return Err((shard, error));
        }
        Err(error) => {
            let refused = LayerError::Unavailable { reason: error.to_string() };
            let _ = request.reply.send(Err(refused));
        }
    }
    Ok(())
}

/// Carries out the subscription updates at the front of a batch that have the same server and direction.
async fn update_subscriptions(
    connections: &mut [ServerConnections],
    batch: &mut OperationBatch<'_, PubSubOp>,
) -> Result<(), PubSubHostFailure> {
    let mut topics = Vec::new();
    let mut first_kind = None;
    while let Some(PubSubOp::UpdateSubscription(topic)) = batch.peek() {
        let kind = (topic.shard, topic.is_wanted());
        if *first_kind.get_or_insert(kind) != kind {
            break;
        }
        topics.push(topic.name.clone());
        let _ = batch.next();
    }
    if let Some((shard, is_subscribed)) = first_kind {
        let updated = connections[shard].set_subscribed(&topics, is_subscribed).await;
        updated.map_err(|error| (shard, error))?;
    }
    batch.mark_written();
    Ok(())
}

/// Publishes the messages at the front of a batch.
async fn publish_messages(
    core: &RedisPubSubCore,
    connections: &[ServerConnections],
    batch: &mut OperationBatch<'_, PubSubOp>,
) -> Result<(), PubSubHostFailure> {
    let (pipelines, count) = publish_commands(core, connections.len(), batch);
    let messages = UnansweredMessages::new(&core.base.health.lost, count);
    let exchanges = pipelines.into_iter().zip(connections).enumerate();
    let exchanges = exchanges.map(async |(host, ((pipeline, count), connection))| {
        if count == 0 {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let mut commands = connection.commands.clone();
        let replies = commands.send_packed_commands(&pipeline, 0, count).await;
        core.base.health.round_trip_times.count(started.elapsed());
        let replies = replies.map_err(|error| (host, error))?;
        match find_persistent_error(&replies) {
            Some(error) => Err((host, error)),
            None => Ok(replies),
        }
    });
    let replies = futures_util::future::try_join_all(exchanges).await?;
    messages.mark_answered();
    for reply in replies.into_iter().flatten() {
        if let Value::ServerError(error) = reply {
            LayerHealth::add_to_counter(&core.base.health.lost, 1);
            core.base.health.warn_throttled(format_args!("Redis refused a message: {error}"));
        }
    }
    Ok(())
}

/// Takes the messages at the front of a batch. Returns the commands for each server with their number, and the number
/// of all messages.
fn publish_commands(
    core: &RedisPubSubCore,
    server_count: usize,
    batch: &mut OperationBatch<'_, PubSubOp>,
) -> (Vec<(Pipeline, usize)>, u64) {
    let mut pipelines: Vec<_> = (0..server_count).map(|_| (Pipeline::new(), 0)).collect();
    let mut count = 0;
    while let Some(PubSubOp::Publish(_)) = batch.peek() {
        let Some(BatchItem::Other(PubSubOp::Publish(message))) = batch.next() else { break };
        let PublishedMessage { shard, topic, wire, sent_at } = message;
        // The message waited too long for a server that was unreachable.
        if sent_at.elapsed() > core.base.limits.expiry {
            LayerHealth::add_to_counter(&core.base.health.lost, 1);
            continue;
        }
        let (pipeline, commands) = &mut pipelines[shard];
        pipeline.cmd("PUBLISH").arg(topic).arg(wire);
        *commands += 1;
        count += 1;
    }
    (pipelines, count)
}
