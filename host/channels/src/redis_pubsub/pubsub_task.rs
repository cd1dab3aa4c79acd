//! The task that subscribes and publishes, in order, and those that listen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::RedisPubSubCore;
use super::pubsub_op::Op;
use crate::redis::health::Health;
use crate::redis::layer_base::is_process_local_group;
use crate::redis::operation_queue::{AttachGuard, LeaseRequest, Next, OperationBatch, Unanswered};
use crate::redis::pipeline::reconnect_delays;
use crate::{LAYER_EVENTS_GROUP, LayerError};
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// How long an answer may take before the server counts as away.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is asked whether both connections to a server stand, also while messages pass.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Topics in one command.
const CHUNK_SIZE: usize = 500;

/// A failure, and the place of the server that failed.
type PubSubHostFailure = (usize, RedisError);

/// The connections to one server.
struct ServerConnections {
    commands: MultiplexedConnection,
    subscriber: PubSubSink,
}

/// Goes on for ever: connects, carries, and begins again when a server goes away.
pub(super) async fn run_pubsub(core: Arc<RedisPubSubCore>) {
    let link = core.base.health.register_connection();
    let mut attempts = reconnect_delays();
    loop {
        let mut listening = JoinSet::new();
        let (at, error) = match connect_all(&core, &mut listening).await {
            Ok((mut lines, _attached)) => {
                core.base.drop_expired();
                link.mark_up();
                attempts = reconnect_delays();
                tokio::select! {
                    failure = process_batches(&core, &mut lines) => failure,
                    Some(at) = listening.join_next() => {
                        let closed = std::io::Error::new(
                            std::io::ErrorKind::ConnectionReset,
                            "the connection for what is published closed",
                        );
                        (at.unwrap_or(0), closed.into())
                    }
                }
            }
            Err(failure) => failure,
        };
        link.mark_down(core.base.servers[at].name(), &error);
        sleep(attempts.next().unwrap_or(PING_INTERVAL)).await;
    }
}

/// Connects to every server and listens to what is to be heard.
async fn connect_all<'a>(
    core: &'a Arc<RedisPubSubCore>,
    listening: &mut JoinSet<usize>,
) -> Result<(Vec<ServerConnections>, AttachGuard<'a, Op>), PubSubHostFailure> {
    let mut lines = Vec::new();
    for (at, server) in core.base.servers.iter().enumerate() {
        let failed = |error| (at, error);
        let commands = server.connect(REPLY_TIMEOUT).await.map_err(failed)?;
        let (topics, heard) = server.connect_pubsub().await.map_err(failed)?.split();
        listening.spawn(receive_published(Arc::clone(core), at, heard));
        lines.push(ServerConnections { commands, subscriber: topics });
    }
    let attached = core.base.queue.attach();
    let mut wanted: Vec<Vec<String>> = core.base.servers.iter().map(|_| Vec::new()).collect();
    for world in core.tenants() {
        for topics in &mut wanted {
            topics.push(world.topic_names.own_channel_pattern());
        }
        let groups = world.local.group_names();
        for group in groups.iter().filter(|group| !is_process_local_group(group)) {
            for (shard, topic) in world.topic_names.group_topics(group) {
                wanted[shard].push(topic);
            }
        }
        for name in world.local.channel_names() {
            if !world.topic_names.is_own_channel(name.as_str()) {
                let (shard, topic) = world.topic_names.channel_topic(&name);
                wanted[shard].push(topic);
            }
        }
    }
    for (at, topics) in wanted.iter().enumerate() {
        lines[at].set_subscribed(topics, true).await.map_err(|error| (at, error))?;
    }
    run_self_test(core, &mut lines).await?;
    Ok((lines, attached))
}

/// Takes what is published to the mailboxes, until the connection closes; says which it was.
async fn receive_published(
    core: Arc<RedisPubSubCore>,
    at: usize,
    mut heard: PubSubStream,
) -> usize {
    while let Some(message) = heard.next().await {
        match message.get_channel::<String>() {
            Ok(topic) => match message.get_payload::<Vec<u8>>() {
                Ok(wire) => core.deliver(&topic, wire),
                Err(error) => core.base.health.record_unexpected_value(&topic, error),
            },
            Err(error) => core.base.health.record_unexpected_value("", error),
        }
    }
    at
}

impl ServerConnections {
    /// Begins or ends to listen, and waits until that is so.
    async fn set_subscribed(&mut self, topics: &[String], begins: bool) -> RedisResult<()> {
        let (patterns, names): (Vec<_>, Vec<_>) =
            topics.iter().partition::<Vec<&String>, _>(|topic| topic.ends_with('*'));
        let setting = async {
            for patterns in patterns.chunks(CHUNK_SIZE) {
                match begins {
                    true => self.subscriber.psubscribe(patterns).await?,
                    false => self.subscriber.punsubscribe(patterns).await?,
                }
            }
            for names in names.chunks(CHUNK_SIZE) {
                match begins {
                    true => self.subscriber.subscribe(names).await?,
                    false => self.subscriber.unsubscribe(names).await?,
                }
            }
            Ok(())
        };
        answered(setting).await
    }

    /// Asks whether the connection for what is published stands.
    async fn ping(&mut self) -> RedisResult<()> {
        let pinged: RedisResult<Value> = answered(self.subscriber.ping()).await;
        match pinged {
            // A server that cannot save refuses PING, and nothing else here.
            Err(error) if ErrorClass::of(&error) == ErrorClass::Connection => Err(error),
            _ => Ok(()),
        }
    }
}

/// What is answered in time: the connection for what is published has no time-out of its own.
async fn answered<T>(asked: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match timeout(REPLY_TIMEOUT, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Carries batches until a server fails, and says which.
async fn process_batches(
    core: &RedisPubSubCore,
    lines: &mut [ServerConnections],
) -> PubSubHostFailure {
    let mut due = Instant::now() + PING_INTERVAL;
    loop {
        core.base.health.begin_round_trip();
        // A queue that always has something is no reason to wait any longer.
        let batch = match Instant::now() < due {
            true => timeout_at(due, core.base.queue.next()).await.ok(),
            false => None,
        };
        let carried = match batch {
            Some(batch) => process_batch(core, lines, batch).await,
            None => {
                let exercised = run_self_test(core, lines).await;
                due = Instant::now() + PING_INTERVAL;
                exercised
            }
        };
        if let Err(failure) = carried {
            return failure;
        }
    }
}

/// Publishes nothing, where nobody listens, and asks whether the connections for what is published stand: some servers
/// answer and refuse.
async fn run_self_test(
    core: &RedisPubSubCore,
    lines: &mut [ServerConnections],
) -> Result<(), PubSubHostFailure> {
    let topic = format!("{}__narrowboat__{LAYER_EVENTS_GROUP}", core.prefix);
    for (at, line) in lines.iter_mut().enumerate() {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&topic).arg("");
        let published: RedisResult<Value> = publish.query_async(&mut line.commands).await;
        published.map_err(|error| (at, error))?;
        line.ping().await.map_err(|error| (at, error))?;
    }
    Ok(())
}

/// Does what a batch says in its order: what is published after a group was joined is heard there. What it has not come
/// to when a server fails goes back to the queue with the batch.
async fn process_batch(
    core: &RedisPubSubCore,
    lines: &mut [ServerConnections],
    mut batch: OperationBatch<'_, Op>,
) -> Result<(), PubSubHostFailure> {
    loop {
        publish(core, lines, &mut batch).await?;
        if let Some(Op::UpdateSubscription(_)) = batch.peek() {
            update_subscriptions(lines, &mut batch).await?;
            continue;
        }
        match batch.next() {
            Some(Next::Other(Op::AcquireLease(claim))) => {
                acquire_lease(lines, claim).await?;
            }
            Some(Next::Other(Op::Barrier(told))) => {
                let _ = told.send(Ok(()));
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Takes a turn. One that is refused fails alone: nothing else here writes.
async fn acquire_lease(
    lines: &mut [ServerConnections],
    claim: LeaseRequest,
) -> Result<(), PubSubHostFailure> {
    let shard = claim.shard;
    match claim.set_command().query_async(&mut lines[shard].commands).await {
        Ok(answer) => claim.send_reply(&answer),
        Err(error) if ErrorClass::of(&error) == ErrorClass::Connection => {
            return Err((shard, error));
        }
        Err(error) => {
            let refused = LayerError::Unavailable { reason: error.to_string() };
            let _ = claim.reply.send(Err(refused));
        }
    }
    Ok(())
}

/// Begins or ends to listen to the topics that stand together in a batch.
async fn update_subscriptions(
    lines: &mut [ServerConnections],
    batch: &mut OperationBatch<'_, Op>,
) -> Result<(), PubSubHostFailure> {
    let mut topics = Vec::new();
    let mut first = None;
    while let Some(Op::UpdateSubscription(topic)) = batch.peek() {
        let kind = (topic.shard, topic.is_wanted());
        if *first.get_or_insert(kind) != kind {
            break;
        }
        topics.push(topic.name.clone());
        let _ = batch.next();
    }
    if let Some((shard, begins)) = first {
        lines[shard].set_subscribed(&topics, begins).await.map_err(|error| (shard, error))?;
    }
    batch.mark_written();
    Ok(())
}

/// Publishes what stands together in a batch.
async fn publish(
    core: &RedisPubSubCore,
    lines: &[ServerConnections],
    batch: &mut OperationBatch<'_, Op>,
) -> Result<(), PubSubHostFailure> {
    let mut pipelines: Vec<_> = lines.iter().map(|_| (Pipeline::new(), 0)).collect();
    let mut count = 0;
    while let Some(Op::Publish(_)) = batch.peek() {
        let Some(Next::Other(Op::Publish(publish))) = batch.next() else { break };
        // It waited for a server that was away.
        if publish.at.elapsed() > core.base.limits.expiry {
            Health::count(&core.base.health.lost, 1);
            continue;
        }
        let (pipeline, commands) = &mut pipelines[publish.shard];
        pipeline.cmd("PUBLISH").arg(publish.topic).arg(publish.wire);
        *commands += 1;
        count += 1;
    }
    let messages = Unanswered::new(&core.base.health.lost, count);
    let exchanges = pipelines.into_iter().zip(lines).enumerate();
    let exchanges = exchanges.map(async |(at, ((pipeline, count), line))| {
        if count == 0 {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let mut connection = line.commands.clone();
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        core.base.health.round_trips.count(began.elapsed());
        let answers = answers.map_err(|error| (at, error))?;
        match find_persistent_error(&answers) {
            Some(error) => Err((at, error)),
            None => Ok(answers),
        }
    });
    let answers = futures_util::future::try_join_all(exchanges).await?;
    messages.answered();
    for answer in answers.into_iter().flatten() {
        if let Value::ServerError(error) = answer {
            Health::count(&core.base.health.lost, 1);
            core.base.health.complain(format_args!("Redis refused a message: {error}"));
        }
    }
    Ok(())
}
