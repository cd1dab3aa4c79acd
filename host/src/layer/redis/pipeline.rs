//! The task that carries what is asked for to Redis, in order, a batch a round trip.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::Core;
use super::base::is_local;
use super::health::{Health, Link};
use super::op::{Membership, Op, Put};
use super::stage::{Stage, unusable};
use crate::name::ChannelName;

/// How long an answer may take before the server counts as away.
const ANSWER: Duration = Duration::from_secs(2);

/// How often a server is asked whether it is there when there is nothing else to ask.
const PING: Duration = Duration::from_secs(1);

/// Commands in one round trip when memberships are written anew, and members in one command.
const CHUNK: usize = 500;

/// The shortest time between two renewals of the memberships.
const RENEWAL: Duration = Duration::from_millis(100);

/// Pauses between attempts to reach a server: short, since clients wait, and spread, since other hosts try too.
pub(in crate::layer) fn pauses() -> impl Iterator<Item = Duration> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(500))
        .with_jitter()
        .without_max_times();
    backoff.build()
}

/// Goes on for ever: connects, carries, and begins again when a server goes away.
pub(super) async fn run(core: Arc<Core>) {
    let link = core.base.health.link();
    loop {
        let connections = reach(&core, &link).await;
        link.up();
        let (at, error) = carry(&core, &connections).await;
        let server = &core.base.servers[at];
        link.down(server.name(), &error);
        core.restart_readers();
    }
}

/// Connects to every host, and sees to it that the memberships stand there.
async fn reach(core: &Core, link: &Link<'_>) -> Vec<MultiplexedConnection> {
    let mut pauses = pauses();
    loop {
        match connect(core).await {
            Ok(connections) => match restore(core, &connections).await {
                Ok(()) => return connections,
                Err((at, error)) => {
                    suspend(core, Vec::new());
                    link.down(core.base.servers[at].name(), &error);
                }
            },
            Err((at, error)) => link.down(core.base.servers[at].name(), &error),
        }
        sleep(pauses.next().unwrap_or(PING)).await;
    }
}

async fn connect(core: &Core) -> Result<Vec<MultiplexedConnection>, (usize, RedisError)> {
    let connecting = core.base.servers.iter().enumerate().map(async |(at, server)| {
        let connected = async {
            let mut connection = server.connect(ANSWER).await?;
            let role: RedisResult<redis::Value> =
                redis::cmd("ROLE").query_async(&mut connection).await;
            match role {
                Ok(role) => writable(&role)?,
                // Whoever may not ask finds out when it writes.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {}
                Err(error) => return Err(error),
            }
            Ok(connection)
        };
        connected.await.map_err(|error: RedisError| (at, error))
    });
    futures_util::future::try_join_all(connecting).await
}

/// A server is away: memberships that were under way or queued are written when it is back.
fn suspend(core: &Core, under_way: Vec<Membership>) {
    let queued = core.base.queue.suspend().into_iter().filter_map(|op| match op {
        Op::Membership(membership) => Some(membership),
        // Whoever waits is told by its end.
        _ => None,
    });
    for membership in under_way.into_iter().chain(queued) {
        core.overdue.note(membership);
    }
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

/// Ends the memberships that are overdue and writes those of the open channels.
async fn restore(
    core: &Core,
    connections: &[MultiplexedConnection],
) -> Result<(), (usize, RedisError)> {
    core.base.queue.resume();
    let overdue = core.overdue.take();
    let mut writer = Writer::new(connections);
    for (tenant, group, channel) in overdue {
        let world = core.world(&tenant);
        let mut command = redis::cmd("ZREM");
        command.arg(world.keys.group(&group)).arg(channel.as_str());
        writer.add(world.keys.shard(group.as_str()), command).await?;
    }
    write_members(core, &mut writer, false).await?;
    writer.finish().await
}

/// Writes the members of every group that are open here. A renewal leaves out those that others have ended.
async fn write_members(
    core: &Core,
    writer: &mut Writer<'_>,
    only_renew: bool,
) -> Result<(), (usize, RedisError)> {
    for world in core.worlds() {
        for group in world.local.groups().into_iter().filter(|group| !is_local(group)) {
            let shard = world.keys.shard(group.as_str());
            let key = world.keys.group(&group);
            let members = world.local.members(group.as_str());
            for members in members.chunks(CHUNK) {
                writer.add(shard, add_members(core, &key, members, only_renew)).await?;
            }
            let mut expire = redis::cmd("EXPIRE");
            expire.arg(&key).arg(core.group_seconds());
            writer.add(shard, expire).await?;
        }
    }
    Ok(())
}

fn add_members(core: &Core, key: &str, members: &[ChannelName], only_renew: bool) -> Cmd {
    let now = core.clock.now();
    let mut command = redis::cmd("ZADD");
    command.arg(key);
    if only_renew {
        command.arg("XX");
    }
    for member in members {
        command.arg(now).arg(member.as_str());
    }
    command
}

/// Commands whose answers say nothing, written in large pieces.
struct Writer<'a> {
    connections: &'a [MultiplexedConnection],
    pipelines: Vec<(Pipeline, usize)>,
}

impl<'a> Writer<'a> {
    fn new(connections: &'a [MultiplexedConnection]) -> Self {
        let pipelines = connections.iter().map(|_| (Pipeline::new(), 0)).collect();
        Self { connections, pipelines }
    }

    async fn add(&mut self, shard: usize, command: Cmd) -> Result<(), (usize, RedisError)> {
        let (pipeline, count) = &mut self.pipelines[shard];
        pipeline.add_command(command);
        *count += 1;
        if *count >= CHUNK { self.write(shard).await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<(), (usize, RedisError)> {
        for shard in 0..self.pipelines.len() {
            self.write(shard).await?;
        }
        Ok(())
    }

    async fn write(&mut self, shard: usize) -> Result<(), (usize, RedisError)> {
        let (pipeline, count) = std::mem::take(&mut self.pipelines[shard]);
        if count == 0 {
            return Ok(());
        }
        let mut connection = self.connections[shard].clone();
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        let failed = |error| (shard, error);
        match answers.map_err(failed)?.iter().find_map(unusable) {
            Some(error) => Err(failed(error)),
            None => Ok(()),
        }
    }
}

/// Carries batches until a server fails, and says which.
async fn carry(core: &Core, connections: &[MultiplexedConnection]) -> (usize, RedisError) {
    let period = (core.base.limits.group_expiry / 2).max(RENEWAL);
    let mut renewals = interval_at(Instant::now() + period, period);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ready: Vec<Put> = Vec::new();
    loop {
        if core.overdue.any()
            && let Err(failed) = restore(core, connections).await
        {
            suspend(core, Vec::new());
            return failed;
        }
        let batch = if !ready.is_empty() {
            core.base.queue.try_next()
        } else {
            tokio::select! {
                batch = timeout(PING, core.base.queue.next()) => batch.unwrap_or_default(),
                () = core.suspicion.notified() => Vec::new(),
                _ = renewals.tick() => {
                    let mut writer = Writer::new(connections);
                    let renewed = write_members(core, &mut writer, true).await;
                    match renewed.and(writer.finish().await) {
                        Ok(()) => continue,
                        Err(failed) => return failed,
                    }
                }
            }
        };
        if batch.is_empty() && ready.is_empty() {
            if let Err(failed) = ping(connections).await {
                suspend(core, Vec::new());
                return failed;
            }
            continue;
        }
        let mut stage = Stage::new(core, std::mem::take(&mut ready), batch);
        let messages = stage.messages();
        match stage.run(core, connections).await {
            Ok(puts) => ready = puts,
            Err(failed) => {
                Health::count(&core.base.health.lost, messages);
                suspend(core, stage.memberships);
                return failed;
            }
        }
        core.base.queue.done(stage.memberships.len());
    }
}

async fn ping(connections: &[MultiplexedConnection]) -> Result<(), (usize, RedisError)> {
    let pings = connections.iter().enumerate().map(async |(at, connection)| {
        let mut connection = connection.clone();
        let pinged: RedisResult<redis::Value> =
            redis::cmd("PING").query_async(&mut connection).await;
        pinged.map_err(|error| (at, error))
    });
    futures_util::future::try_join_all(pings).await.map(|_| ())
}
