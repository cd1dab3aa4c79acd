//! The task that carries what is asked for to Redis, in order, a batch a round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tokio::time::{Instant, sleep, sleep_until};

use super::Core;
use super::check;
use super::health::{Health, Link};
use super::memberships::{Group, restore, write_all, write_groups};
use super::op::{Op, Put};
use super::queue::Attached;
use super::stage::Stage;
use narrowboat_redis_client::ErrorClass;

/// How long an answer may take before the server counts as away.
const ANSWER: Duration = Duration::from_secs(2);

/// How often a server is asked whether it is there and has kept its data.
const CHECK: Duration = Duration::from_secs(1);

/// How often it is tried whether a server takes what a layer asks of it.
const EXERCISE: Duration = Duration::from_secs(5);

/// A server that was there for less than this may pass every check and refuse what is asked.
const BRIEF: Duration = Duration::from_secs(1);

/// The shortest time between two renewals of the memberships.
const RENEWAL: Duration = Duration::from_millis(100);

/// A failure, and the place of the server that failed.
pub(super) type Failure = (usize, RedisError);

/// The connections to every host, each at its place.
type Connections = Vec<MultiplexedConnection>;

/// Pauses between attempts to reach a server: short, since clients wait, and spread, since other hosts try too.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    backoff(Duration::from_millis(50), Duration::from_millis(500))
}

/// Pauses before a server is reached again that was there for less than [`BRIEF`].
fn rests() -> impl Iterator<Item = Duration> {
    backoff(Duration::from_millis(500), Duration::from_secs(8))
}

/// Pauses that grow from the first to the last of two, without end.
fn backoff(first: Duration, last: Duration) -> impl Iterator<Item = Duration> {
    let backoff = ExponentialBuilder::default().with_min_delay(first).with_max_delay(last);
    backoff.with_jitter().without_max_times().build()
}

/// Goes on for ever: connects, carries, and begins again when a server goes away.
pub(super) async fn run(core: Arc<Core>) {
    let link = core.base.health.link();
    let mut rests = rests();
    loop {
        let (connections, attached, unwritten) = reach(&core, &link).await;
        core.base.drop_expired();
        link.up();
        let began = Instant::now();
        let mut pending = Pending::default();
        let (at, error) = carry(&core, &connections, &mut pending, unwritten).await;
        drop(attached);
        Health::count(&core.base.health.lost, pending.messages());
        let server = &core.base.servers[at];
        link.down(server.name(), &error);
        core.restart_readers();
        // Otherwise a server that passes every check and then refuses would be lost and found many times a second.
        if began.elapsed() < BRIEF {
            sleep(rests.next().unwrap_or(CHECK)).await;
        } else {
            rests = self::rests();
        }
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
/// Gives the groups that have another type.
async fn reach<'a>(core: &'a Core, link: &Link<'_>) -> (Connections, Attached<'a, Op>, Vec<Group>) {
    let mut pauses = pauses();
    loop {
        let reached = async {
            let connections = connect(core).await?;
            // Nothing is carried before the servers have taken once all that may be asked of them: some answer and refuse.
            check::exercise(core, &connections).await?;
            let attached = core.base.queue.attach();
            let unwritten = restore(core, &connections, &attached).await?;
            Ok((connections, attached, unwritten))
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

/// Carries batches until a server fails, and says which. What was pending then stays so.
async fn carry(
    core: &Core,
    connections: &[MultiplexedConnection],
    pending: &mut Pending,
    unwritten: Vec<Group>,
) -> Failure {
    let mut checks = Checks::new(core, unwritten);
    loop {
        core.base.health.begin_round_trip();
        if core.resync.swap(false, Ordering::Relaxed)
            && let Err(failed) = checks.write_all(core, connections).await
        {
            return failed;
        }
        if let Err(failed) = checks.run_if_due(core, connections).await {
            return failed;
        }
        let mut batch = if !pending.again.is_empty() {
            // Nothing more is taken before that is done.
            core.base.queue.nothing()
        } else if !pending.is_empty() {
            core.base.queue.try_next()
        } else {
            tokio::select! {
                batch = core.base.queue.next() => batch,
                () = sleep_until(checks.next()) => continue,
                () = core.suspicion.notified() => {
                    checks.exercise_now();
                    continue;
                }
            }
        };
        let mut stage = Stage::new(core, std::mem::take(pending), &mut batch);
        match stage.run(core, connections).await {
            Ok(puts) => pending.ready = puts,
            Err(failed) => return failed,
        }
        batch.written_but(&stage.refused);
        if stage.is_forgotten {
            pending.again = stage.again();
        }
        if stage.is_forgotten || stage.is_forbidden {
            checks.exercise_now();
        }
    }
}

/// When servers are asked next whether they are well, and memberships are written again.
struct Checks {
    check: Instant,
    exercise: Instant,
    renewal: Instant,
    retry: Instant,
    /// Groups whose members are to be written, since that was refused.
    unwritten: Vec<Group>,
}

impl Checks {
    fn new(core: &Core, unwritten: Vec<Group>) -> Self {
        let now = Instant::now();
        Self {
            check: now + CHECK,
            exercise: now + EXERCISE,
            renewal: now + renewal_period(core),
            retry: now + EXERCISE,
            unwritten,
        }
    }

    fn next(&self) -> Instant {
        self.check.min(self.exercise).min(self.renewal).min(self.retry)
    }

    fn exercise_now(&mut self) {
        self.exercise = Instant::now();
    }

    /// Does what is due.
    async fn run_if_due(
        &mut self,
        core: &Core,
        connections: &[MultiplexedConnection],
    ) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.check.min(self.exercise) {
            self.check(core, connections, now).await?;
        }
        if now >= self.renewal {
            let refused = write_all(core, connections, true).await?;
            self.add_unwritten(refused);
            self.renewal = Instant::now() + renewal_period(core);
        }
        if now >= self.retry {
            let unwritten = std::mem::take(&mut self.unwritten);
            self.unwritten = write_groups(core, connections, unwritten, false).await?;
            core.base.queue.retry();
            self.retry = Instant::now() + EXERCISE;
        }
        Ok(())
    }

    /// Asks whether servers are well. Where one has forgotten what was written to it, the memberships are written again.
    async fn check(
        &mut self,
        core: &Core,
        connections: &[MultiplexedConnection],
        now: Instant,
    ) -> Result<(), Failure> {
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
        self.write_all(core, connections).await
    }

    async fn write_all(
        &mut self,
        core: &Core,
        connections: &[MultiplexedConnection],
    ) -> Result<(), Failure> {
        self.unwritten = write_all(core, connections, false).await?;
        Ok(())
    }

    fn add_unwritten(&mut self, groups: Vec<Group>) {
        for (world, group) in groups {
            let is_known = self
                .unwritten
                .iter()
                .any(|(other, name)| Arc::ptr_eq(other, &world) && *name == group);
            if !is_known {
                self.unwritten.push((world, group));
            }
        }
    }
}

fn renewal_period(core: &Core) -> Duration {
    (core.base.limits.group_expiry / 2).max(RENEWAL)
}
