//! One round trip to every host: commands out, answers in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, ServerError, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Core;
use super::check::{has_marker, marker};
use super::health::Health;
use super::members::Members;
use super::op::{GroupSend, Membership, Op, Put};
use super::pipeline::Pending;
use super::queue::{Batch, Claim, Next, Unanswered};
use super::scripts;
use crate::LayerError;
use narrowboat_core::name::GroupName;
use narrowboat_redis_client::ErrorClass;

/// Messages that one call of a script puts.
const PUTS_A_CALL: usize = 128;

/// What one round trip does, and what is to be done with the answers.
pub(super) struct Stage {
    lanes: Vec<Lane>,
    confirms: Vec<oneshot::Sender<Result<(), LayerError>>>,
    /// What has to wait for members to be known, and what was asked for after it.
    after: Vec<After>,
    fetched: Vec<Option<Members>>,
    /// Groups whose members this round trip asks for, by tenant and name: their place in `fetched`.
    asked: HashMap<(usize, GroupName), usize>,
    /// Whether a server turned out to have lost what was written to it, without having been away.
    pub(super) is_forgotten: bool,
    /// Whether a command was not permitted, which may be for its key alone.
    pub(super) is_forbidden: bool,
    /// The places in the batch of memberships that were refused.
    pub(super) refused: HashSet<usize>,
}

/// The commands for one host.
#[derive(Default)]
struct Lane {
    commands: Pipeline,
    answers: Vec<Expected>,
    puts: Vec<Put>,
}

/// What an answer is about.
enum Expected {
    Nothing,
    /// Whatever it is.
    Anything,
    /// The membership at a place in the batch, which is tried again if it is refused.
    Membership(usize),
    /// Whether the server has kept what was written to it.
    Marker,
    /// The members of a group, and its key for the log.
    Members(usize, String),
    Claimed(Claim),
    Refused(Vec<Put>),
}

enum After {
    Put(Put),
    Group(usize, GroupSend),
}

impl Stage {
    /// Messages that are ready first, what is asked again, and then a batch in its order.
    pub(super) fn new(core: &Core, pending: Pending, batch: &mut Batch<'_, Op>) -> Self {
        let mut stage = Self {
            lanes: core.base.servers.iter().map(|_| Lane::default()).collect(),
            confirms: Vec::new(),
            after: Vec::new(),
            fetched: Vec::new(),
            asked: HashMap::new(),
            is_forgotten: false,
            is_forbidden: false,
            refused: HashSet::new(),
        };
        for put in pending.ready {
            stage.lanes[put.shard].puts.push(put);
        }
        for op in pending.again {
            stage.add(core, op);
        }
        loop {
            let place = batch.place();
            let Some(next) = batch.next() else { break };
            match next {
                Next::Membership(op) => {
                    if let Op::Membership(membership) = op {
                        stage.write_membership(core, membership, place);
                    }
                }
                Next::Other(op) => stage.add(core, op),
            }
        }
        for lane in &mut stage.lanes {
            lane.call_puts(core);
        }
        stage
    }

    fn add(&mut self, core: &Core, op: Op) {
        match op {
            // It waited for a server that was away.
            Op::Put(Put { at, .. }) | Op::GroupSend(GroupSend { at, .. })
                if at.elapsed() >= core.base.limits.expiry =>
            {
                Health::count(&core.base.health.lost, 1);
            }
            Op::Put(put) if self.after.is_empty() => self.lanes[put.shard].puts.push(put),
            Op::Put(put) => self.after.push(After::Put(put)),
            Op::Membership(_) => {}
            Op::GroupSend(send) => {
                let at = self.ask_members(core, &send);
                self.after.push(After::Group(at, send));
            }
            Op::Claim(claim) => {
                let lane = &mut self.lanes[claim.shard];
                lane.commands.add_command(claim.command());
                lane.answers.push(Expected::Claimed(claim));
            }
            Op::Unblock(shard, reader) => {
                let lane = &mut self.lanes[shard];
                lane.commands.cmd("CLIENT").arg("UNBLOCK").arg(reader);
                // Who may not is followed when the time that a reader waits is over.
                lane.answers.push(Expected::Anything);
            }
            Op::Confirm(told) => self.confirms.push(told),
        }
    }

    fn write_membership(&mut self, core: &Core, membership: &Membership, place: usize) {
        let Membership { world, group, .. } = membership;
        self.asked.remove(&(Arc::as_ptr(world) as usize, group.clone()));
        let lane = &mut self.lanes[world.keys.shard(group.as_str())];
        for command in membership.commands(core) {
            lane.commands.add_command(command);
            lane.answers.push(Expected::Membership(place));
        }
    }

    fn ask_members(&mut self, core: &Core, GroupSend { world, group, .. }: &GroupSend) -> usize {
        let name = (Arc::as_ptr(world) as usize, group.clone());
        if let Some(&at) = self.asked.get(&name) {
            return at;
        }
        let lane = &mut self.lanes[world.keys.shard(group.as_str())];
        if !lane.answers.iter().any(|expected| matches!(expected, Expected::Marker)) {
            lane.commands.cmd("ZCARD").arg(marker(core));
            lane.answers.push(Expected::Marker);
        }
        let key = world.keys.group(group);
        let expired = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
        lane.commands.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(expired);
        lane.commands.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
        let at = self.fetched.len();
        lane.answers.extend([Expected::Nothing, Expected::Members(at, key)]);
        self.fetched.push(None);
        self.asked.insert(name, at);
        at
    }

    /// How many messages would be lost with this round trip.
    fn messages(&self) -> u64 {
        let put = |expected: &Expected| match expected {
            Expected::Refused(puts) => puts.len(),
            _ => 0,
        };
        let now: usize = self.lanes.iter().flat_map(|lane| &lane.answers).map(put).sum();
        (now + self.after.len()) as u64
    }

    /// Sends the commands and takes the answers. Gives the messages that are ready now.
    ///
    /// # Errors
    /// The place of a host that failed, and how.
    pub(super) async fn run(
        &mut self,
        core: &Core,
        connections: &[MultiplexedConnection],
    ) -> Result<Vec<Put>, (usize, RedisError)> {
        let messages = Unanswered::new(&core.base.health.lost, self.messages());
        let lanes = self.lanes.iter().zip(connections).enumerate();
        let exchanges = lanes.map(async |(at, (lane, connection))| {
            let began = Instant::now();
            let answers = lane.exchange(connection.clone()).await;
            core.base.health.round_trips.count(began.elapsed());
            answers.map_err(|error| (at, error))
        });
        let answers = futures_util::future::try_join_all(exchanges).await?;
        messages.answered();
        let lanes = self.lanes.iter_mut().zip(answers);
        let answered = lanes.flat_map(|(lane, values)| lane.answers.drain(..).zip(values));
        for (expected, value) in answered.collect::<Vec<_>>() {
            self.take(core, expected, value);
        }
        for told in self.confirms.drain(..) {
            let _ = told.send(Ok(()));
        }
        Ok(if self.is_forgotten { Vec::new() } else { self.ready(core) })
    }

    fn take(&mut self, core: &Core, expected: Expected, value: Value) {
        if let Value::ServerError(error) = &value
            && !matches!(expected, Expected::Anything | Expected::Claimed(_))
        {
            self.is_forbidden |= ErrorClass::of_reply(error) == ErrorClass::Access;
        }
        match (expected, value) {
            (Expected::Anything, _) => {}
            (Expected::Nothing, Value::ServerError(error)) => {
                core.refused("what was asked", &error);
            }
            (Expected::Membership(place), Value::ServerError(error)) => {
                core.refused("a membership", &error);
                self.refused.insert(place);
            }
            (Expected::Nothing | Expected::Membership(_), _) => {}
            (Expected::Marker, value) => self.is_forgotten |= !has_marker(Some(&value)),
            (Expected::Members(at, key), value) => {
                self.fetched[at] = Members::read(core, &key, value);
            }
            (Expected::Claimed(claim), value) => claim.tell(&value),
            (Expected::Refused(puts), value) => tell_refused(core, puts, value),
        }
    }

    /// What is to be asked again, in its order, since a server had forgotten who is in which group.
    pub(super) fn again(&mut self) -> Vec<Op> {
        let again = self.after.drain(..).map(|after| match after {
            After::Put(put) => Op::Put(put),
            After::Group(_, send) => Op::GroupSend(send),
        });
        again.collect()
    }

    fn ready(&mut self, core: &Core) -> Vec<Put> {
        let mut ready = Vec::with_capacity(self.after.len());
        for after in self.after.drain(..) {
            match after {
                After::Put(put) => ready.push(put),
                After::Group(at, send) => match &self.fetched[at] {
                    Some(members) => members.address(core, &send, &mut ready),
                    None => Health::count(&core.base.health.lost, 1),
                },
            }
        }
        ready
    }
}

impl Lane {
    /// Has the messages put by as few calls as their number allows.
    fn call_puts(&mut self, core: &Core) {
        let mut puts = std::mem::take(&mut self.puts).into_iter().peekable();
        let expired = core.clock.now() - core.base.limits.expiry.as_secs_f64();
        while puts.peek().is_some() {
            let call: Vec<_> = puts.by_ref().take(PUTS_A_CALL).collect();
            let command = self.commands.cmd("EVAL").arg(scripts::PUT).arg(call.len());
            for put in &call {
                command.arg(&put.key);
            }
            command.arg(expired).arg(core.message_seconds());
            for put in &call {
                command
                    .arg(put.score.unwrap_or_else(|| core.clock.score()))
                    .arg(put.capacity)
                    .arg(&put.wire);
            }
            self.answers.push(Expected::Refused(call));
        }
    }

    async fn exchange(&self, mut connection: MultiplexedConnection) -> RedisResult<Vec<Value>> {
        if self.answers.is_empty() {
            return Ok(Vec::new());
        }
        let values = connection.send_packed_commands(&self.commands, 0, self.answers.len()).await?;
        let lasting = self.answers.iter().zip(&values).find_map(|(expected, value)| match value {
            Value::ServerError(error) if expected.fails_with(error) => Some(error.clone().into()),
            _ => None,
        });
        lasting.map_or(Ok(values), Err)
    }
}

impl Expected {
    /// Whether an error says that nothing further can be asked of the server.
    fn fails_with(&self, error: &ServerError) -> bool {
        match (self, ErrorClass::of_reply(error)) {
            (Self::Anything, _) => false,
            // Few take turns; who may not is told so.
            (Self::Claimed(_), ErrorClass::Access) => false,
            // It may be for that key alone: what was asked fails, and whether all else does is tried at once.
            (Self::Refused(_) | Self::Members(..) | Self::Nothing, ErrorClass::Access) => false,
            (_, class) => class.is_lasting(),
        }
    }
}

/// Tells of messages what became of them. Those that Redis did not take are lost.
fn tell_refused(core: &Core, puts: Vec<Put>, answer: Value) {
    let refused: Vec<i64> = match answer {
        Value::Array(list) => {
            list.into_iter().filter_map(|at| redis::from_redis_value(at).ok()).collect()
        }
        Value::ServerError(error) => {
            core.refused("messages", &error);
            Health::count(&core.base.health.lost, puts.len() as u64);
            let reason = format!("Redis refused the message: {}", error.code());
            for (_, reply) in puts.into_iter().filter_map(|put| put.reply) {
                let _ = reply.send(Err(LayerError::Unavailable { reason: reason.clone() }));
            }
            return;
        }
        _ => Vec::new(),
    };
    for (put, at) in puts.into_iter().zip(1..) {
        let answer = if refused.contains(&-at) {
            Health::count(&core.base.health.lost, 1);
            core.base
                .health
                .complain(format_args!("{} holds something else than messages", put.key));
            Err(LayerError::Unavailable { reason: format!("{} holds something else", put.key) })
        } else if refused.contains(&at) {
            Health::count(&core.base.health.dropped, put.receivers);
            put.reply.as_ref().map_or(Ok(()), |(channel, _)| {
                Err(LayerError::ChannelFull { channel: channel.clone() })
            })
        } else {
            Ok(())
        };
        if let Some((_, reply)) = put.reply {
            let _ = reply.send(answer);
        }
    }
}
