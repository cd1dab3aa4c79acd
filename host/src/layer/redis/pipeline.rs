//! The task that carries what is asked for to Redis, in order, a batch a round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::Core;
use super::base::is_local;
use super::check;
use super::error_class::{ErrorClass, lasting_error};
use super::health::{Health, Link};
use super::op::{Op, Put};
use super::queue::{Attached, Next};
use super::stage::Stage;
use crate::name::ChannelName;

/// How long an answer may take before the server counts as away.
const ANSWER: Duration = Duration::from_secs(2);

/// How often a server is asked whether it is there and has kept its data.
const CHECK: Duration = Duration::from_secs(1);

/// How often it is tried whether a server takes what a layer asks of it.
const EXERCISE: Duration = Duration::from_secs(5);

/// Commands in one round trip when memberships are written anew, and members in one command.
const CHUNK: usize = 500;

/// The shortest time between two renewals of the memberships.
const RENEWAL: Duration = Duration::from_millis(100);

/// A failure, and the place of the server that failed.
type Failure = (usize, RedisError);

/// The connections to every host, each at its place.
type Connections = Vec<MultiplexedConnection>;

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
        let (connections, attached) = reach(&core, &link).await;
        link.up();
        let mut pending = Pending::default();
        let (at, error) = carry(&core, &connections, &mut pending).await;
        drop(attached);
        Health::count(&core.base.health.lost, pending.messages());
        let server = &core.base.servers[at];
        link.down(server.name(), &error);
        core.restart_readers();
    }
}

/// Messages between two round trips.
#[derive(Default)]
pub(super) struct Pending {
    /// Those whose receivers are known.
    pub(super) ready: Vec<Put>,
    /// What is to be asked once more before anything else.
    pub(super) again: Vec<Op>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.again.is_empty()
    }

    fn messages(&self) -> u64 {
        (self.ready.len() + self.again.len()) as u64
    }
}

/// Connects to every host, and sees to it that it takes what is asked of it and that the memberships stand there.
async fn reach<'a>(core: &'a Core, link: &Link<'_>) -> (Connections, Attached<'a, Op>) {
    let mut pauses = pauses();
    loop {
        let reached = async {
            let connections = connect(core).await?;
            // Nothing is carried before the servers have taken once all that may be asked of them: some answer and refuse.
            check::exercise(core, &connections).await?;
            let attached = core.base.queue.attach();
            restore(core, &connections, &attached).await?;
            Ok((connections, attached))
        };
        match reached.await {
            Ok(reached) => return reached,
            Err((at, error)) => link.down(core.base.servers[at].name(), &error),
        }
        sleep(pauses.next().unwrap_or(CHECK)).await;
    }
}

async fn connect(core: &Core) -> Result<Connections, Failure> {
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

/// Writes the memberships of the open channels, and those that began or ended while a server was away.
async fn restore(
    core: &Core,
    connections: &[MultiplexedConnection],
    attached: &Attached<'_, Op>,
) -> Result<(), Failure> {
    write_all(core, connections, false).await?;
    loop {
        let mut batch = attached.deferred();
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = Writer::new(connections);
        while let Some(next) = batch.next() {
            let Next::Membership(Op::Membership(membership)) = next else { continue };
            let shard = membership.world.keys.shard(membership.group.as_str());
            for command in membership.commands(core) {
                writer.add(shard, command).await?;
            }
        }
        writer.finish().await?;
        batch.written();
    }
}

/// Writes the members of every group that are open here. A renewal leaves out those that others have ended.
async fn write_all(
    core: &Core,
    connections: &[MultiplexedConnection],
    only_renew: bool,
) -> Result<(), Failure> {
    let mut writer = Writer::new(connections);
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
    writer.finish().await
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

    async fn add(&mut self, shard: usize, command: Cmd) -> Result<(), Failure> {
        let (pipeline, count) = &mut self.pipelines[shard];
        pipeline.add_command(command);
        *count += 1;
        if *count >= CHUNK { self.write(shard).await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<(), Failure> {
        for shard in 0..self.pipelines.len() {
            self.write(shard).await?;
        }
        Ok(())
    }

    async fn write(&mut self, shard: usize) -> Result<(), Failure> {
        let (pipeline, count) = std::mem::take(&mut self.pipelines[shard]);
        if count == 0 {
            return Ok(());
        }
        let mut connection = self.connections[shard].clone();
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        let failed = |error| (shard, error);
        match lasting_error(&answers.map_err(failed)?) {
            Some(error) => Err(failed(error)),
            None => Ok(()),
        }
    }
}

/// Carries batches until a server fails, and says which. What was pending then stays so.
async fn carry(
    core: &Core,
    connections: &[MultiplexedConnection],
    pending: &mut Pending,
) -> Failure {
    let period = (core.base.limits.group_expiry / 2).max(RENEWAL);
    let mut renewals = interval_at(Instant::now() + period, period);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checks = Checks::new();
    loop {
        if core.resync.swap(false, Ordering::Relaxed)
            && let Err(failed) = write_all(core, connections, false).await
        {
            return failed;
        }
        if let Err(failed) = checks.run_if_due(core, connections).await {
            return failed;
        }
        let mut batch = if !pending.is_empty() {
            core.base.queue.try_next()
        } else {
            tokio::select! {
                batch = core.base.queue.next() => batch,
                () = sleep_until(checks.next()) => continue,
                () = core.suspicion.notified() => {
                    checks.exercise_now();
                    continue;
                }
                _ = renewals.tick() => match write_all(core, connections, true).await {
                    Ok(()) => continue,
                    Err(failed) => return failed,
                }
            }
        };
        let mut stage = Stage::new(core, std::mem::take(pending), &mut batch);
        match stage.run(core, connections).await {
            Ok(puts) => pending.ready = puts,
            Err(failed) => return failed,
        }
        batch.written();
        if stage.is_forgotten {
            pending.again = stage.again();
            checks.exercise_now();
        }
    }
}

/// When servers are asked next whether they are well.
struct Checks {
    check: Instant,
    exercise: Instant,
}

impl Checks {
    fn new() -> Self {
        let now = Instant::now();
        Self { check: now + CHECK, exercise: now + EXERCISE }
    }

    fn next(&self) -> Instant {
        self.check.min(self.exercise)
    }

    fn exercise_now(&mut self) {
        self.exercise = Instant::now();
    }

    /// Asks, if it is time to. Where a server has forgotten what was written to it, the memberships are written again.
    async fn run_if_due(
        &mut self,
        core: &Core,
        connections: &[MultiplexedConnection],
    ) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.next() {
            return Ok(());
        }
        let mut is_kept = true;
        if now < self.exercise {
            is_kept = check::is_kept(core, connections).await?;
        }
        // Also after a marker that is gone: it is written again by this.
        if now >= self.exercise || !is_kept {
            is_kept &= check::exercise(core, connections).await?;
            self.exercise = Instant::now() + EXERCISE;
        }
        self.check = Instant::now() + CHECK;
        if is_kept {
            return Ok(());
        }
        core.base.health.tell_forgotten(
            "Redis has lost what was written to it, by FLUSHALL, SWAPDB or eviction",
        );
        write_all(core, connections, false).await
    }
}
