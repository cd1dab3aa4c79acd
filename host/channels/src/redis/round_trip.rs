//! One round trip to every host: commands out, answers in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, ServerError, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::RedisLayerCore;
use super::health::Health;
use super::health_check::{has_marker, own_marker_key};
use super::members_by_key::MembersByKey;
use super::operation_queue::{LeaseRequest, Next, OperationBatch, Unanswered};
use super::pipeline::PipelineBacklog;
use super::redis_op::{GroupSend, KeyMessage, MembershipChange, RedisOp};
use super::scripts;
use crate::LayerError;
use narrowboat_core::name::GroupName;
use narrowboat_redis_client::ErrorClass;

/// Messages that one call of a script puts.
const MAX_MESSAGES_PER_SCRIPT: usize = 128;

/// What one round trip does, and what is to be done with the answers.
pub(super) struct RoundTrip {
    lanes: Vec<ShardPipeline>,
    confirms: Vec<oneshot::Sender<Result<(), LayerError>>>,
    /// What has to wait for members to be known, and what was asked for after it.
    deferred_sends: Vec<DeferredSend>,
    fetched_members: Vec<Option<MembersByKey>>,
    /// Groups whose members this round trip asks for, by tenant and name: their place in `fetched`.
    member_requests: HashMap<(usize, GroupName), usize>,
    /// Whether a server turned out to have lost what was written to it, without having been away.
    pub(super) is_forgotten: bool,
    /// Whether a command was not permitted, which may be for its key alone.
    pub(super) is_access_denied: bool,
    /// The places in the batch of memberships that were refused.
    pub(super) refused_memberships: HashSet<usize>,
}

/// The commands for one host.
#[derive(Default)]
struct ShardPipeline {
    commands: Pipeline,
    answers: Vec<ReplyHandler>,
    messages: Vec<KeyMessage>,
}

/// What an answer is about.
enum ReplyHandler {
    ErrorOnly,
    /// Whatever it is.
    Ignore,
    /// The membership at a place in the batch, which is tried again if it is refused.
    Membership(usize),
    /// Whether the server has kept what was written to it.
    Marker,
    /// The members of a group, and its key for the log.
    Members(usize, String),
    Lease(LeaseRequest),
    PutReply(Vec<KeyMessage>),
}

enum DeferredSend {
    Message(KeyMessage),
    GroupSend(usize, GroupSend),
}

impl RoundTrip {
    /// Messages that are ready first, what is asked again, and then a batch in its order.
    pub(super) fn new(
        core: &RedisLayerCore,
        pending: PipelineBacklog,
        batch: &mut OperationBatch<'_, RedisOp>,
    ) -> Self {
        let mut stage = Self {
            lanes: core.base.servers.iter().map(|_| ShardPipeline::default()).collect(),
            confirms: Vec::new(),
            deferred_sends: Vec::new(),
            fetched_members: Vec::new(),
            member_requests: HashMap::new(),
            is_forgotten: false,
            is_access_denied: false,
            refused_memberships: HashSet::new(),
        };
        for put in pending.ready {
            stage.lanes[put.shard].messages.push(put);
        }
        for op in pending.retries {
            stage.add_operation(core, op);
        }
        loop {
            let place = batch.next_membership_index();
            let Some(next) = batch.next() else { break };
            match next {
                Next::Membership(op) => {
                    if let RedisOp::ChangeMembership(membership) = op {
                        stage.add_membership(core, membership, place);
                    }
                }
                Next::Other(op) => stage.add_operation(core, op),
            }
        }
        for lane in &mut stage.lanes {
            lane.add_put_scripts(core);
        }
        stage
    }

    fn add_operation(&mut self, core: &RedisLayerCore, op: RedisOp) {
        match op {
            // It waited for a server that was away.
            RedisOp::PutMessage(KeyMessage { at, .. })
            | RedisOp::GroupSend(GroupSend { at, .. })
                if at.elapsed() >= core.base.limits.expiry =>
            {
                Health::count(&core.base.health.lost, 1);
            }
            RedisOp::PutMessage(put) if self.deferred_sends.is_empty() => {
                self.lanes[put.shard].messages.push(put)
            }
            RedisOp::PutMessage(put) => self.deferred_sends.push(DeferredSend::Message(put)),
            RedisOp::ChangeMembership(_) => {}
            RedisOp::GroupSend(send) => {
                let at = self.request_members(core, &send);
                self.deferred_sends.push(DeferredSend::GroupSend(at, send));
            }
            RedisOp::AcquireLease(claim) => {
                let lane = &mut self.lanes[claim.shard];
                lane.commands.add_command(claim.set_command());
                lane.answers.push(ReplyHandler::Lease(claim));
            }
            RedisOp::Unblock(shard, reader) => {
                let lane = &mut self.lanes[shard];
                lane.commands.cmd("CLIENT").arg("UNBLOCK").arg(reader);
                // Who may not is followed when the time that a reader waits is over.
                lane.answers.push(ReplyHandler::Ignore);
            }
            RedisOp::Barrier(told) => self.confirms.push(told),
        }
    }

    fn add_membership(
        &mut self,
        core: &RedisLayerCore,
        membership: &MembershipChange,
        place: usize,
    ) {
        let MembershipChange { tenant: world, group, .. } = membership;
        self.member_requests.remove(&(Arc::as_ptr(world) as usize, group.clone()));
        let lane = &mut self.lanes[world.keys.shard(group.as_str())];
        for command in membership.redis_commands(core) {
            lane.commands.add_command(command);
            lane.answers.push(ReplyHandler::Membership(place));
        }
    }

    fn request_members(
        &mut self,
        core: &RedisLayerCore,
        GroupSend { tenant: world, group, .. }: &GroupSend,
    ) -> usize {
        let name = (Arc::as_ptr(world) as usize, group.clone());
        if let Some(&at) = self.member_requests.get(&name) {
            return at;
        }
        let lane = &mut self.lanes[world.keys.shard(group.as_str())];
        if !lane.answers.iter().any(|expected| matches!(expected, ReplyHandler::Marker)) {
            lane.commands.cmd("ZCARD").arg(own_marker_key(core));
            lane.answers.push(ReplyHandler::Marker);
        }
        let key = world.keys.group_key(group);
        let expired = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
        lane.commands.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(expired);
        lane.commands.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
        let at = self.fetched_members.len();
        lane.answers.extend([ReplyHandler::ErrorOnly, ReplyHandler::Members(at, key)]);
        self.fetched_members.push(None);
        self.member_requests.insert(name, at);
        at
    }

    /// How many messages would be lost with this round trip.
    fn messages(&self) -> u64 {
        let put = |expected: &ReplyHandler| match expected {
            ReplyHandler::PutReply(puts) => puts.len(),
            _ => 0,
        };
        let now: usize = self.lanes.iter().flat_map(|lane| &lane.answers).map(put).sum();
        (now + self.deferred_sends.len()) as u64
    }

    /// Sends the commands and takes the answers. Gives the messages that are ready now.
    ///
    /// # Errors
    /// The place of a host that failed, and how.
    pub(super) async fn execute(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
    ) -> Result<Vec<KeyMessage>, (usize, RedisError)> {
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

    fn take(&mut self, core: &RedisLayerCore, expected: ReplyHandler, value: Value) {
        if let Value::ServerError(error) = &value
            && !matches!(expected, ReplyHandler::Ignore | ReplyHandler::Lease(_))
        {
            self.is_access_denied |= ErrorClass::of_reply(error) == ErrorClass::Access;
        }
        match (expected, value) {
            (ReplyHandler::Ignore, _) => {}
            (ReplyHandler::ErrorOnly, Value::ServerError(error)) => {
                core.report_refused("what was asked", &error);
            }
            (ReplyHandler::Membership(place), Value::ServerError(error)) => {
                core.report_refused("a membership", &error);
                self.refused_memberships.insert(place);
            }
            (ReplyHandler::ErrorOnly | ReplyHandler::Membership(_), _) => {}
            (ReplyHandler::Marker, value) => self.is_forgotten |= !has_marker(Some(&value)),
            (ReplyHandler::Members(at, key), value) => {
                self.fetched_members[at] = MembersByKey::from_reply(core, &key, value);
            }
            (ReplyHandler::Lease(claim), value) => claim.send_reply(&value),
            (ReplyHandler::PutReply(puts), value) => report_put_results(core, puts, value),
        }
    }

    /// What is to be asked again, in its order, since a server had forgotten who is in which group.
    pub(super) fn take_retries(&mut self) -> Vec<RedisOp> {
        let again = self.deferred_sends.drain(..).map(|after| match after {
            DeferredSend::Message(put) => RedisOp::PutMessage(put),
            DeferredSend::GroupSend(_, send) => RedisOp::GroupSend(send),
        });
        again.collect()
    }

    fn ready(&mut self, core: &RedisLayerCore) -> Vec<KeyMessage> {
        let mut ready = Vec::with_capacity(self.deferred_sends.len());
        for after in self.deferred_sends.drain(..) {
            match after {
                DeferredSend::Message(put) => ready.push(put),
                DeferredSend::GroupSend(at, send) => match &self.fetched_members[at] {
                    Some(members) => members.append_key_messages(core, &send, &mut ready),
                    None => Health::count(&core.base.health.lost, 1),
                },
            }
        }
        ready
    }
}

impl ShardPipeline {
    /// Has the messages put by as few calls as their number allows.
    fn add_put_scripts(&mut self, core: &RedisLayerCore) {
        let mut puts = std::mem::take(&mut self.messages).into_iter().peekable();
        let expired = core.clock.now() - core.base.limits.expiry.as_secs_f64();
        while puts.peek().is_some() {
            let call: Vec<_> = puts.by_ref().take(MAX_MESSAGES_PER_SCRIPT).collect();
            let command = self.commands.cmd("EVAL").arg(scripts::PUT_MESSAGES).arg(call.len());
            for put in &call {
                command.arg(&put.key);
            }
            command.arg(expired).arg(core.message_seconds());
            for put in &call {
                command
                    .arg(put.score.unwrap_or_else(|| core.clock.next_score()))
                    .arg(put.capacity)
                    .arg(&put.wire);
            }
            self.answers.push(ReplyHandler::PutReply(call));
        }
    }

    async fn exchange(&self, mut connection: MultiplexedConnection) -> RedisResult<Vec<Value>> {
        if self.answers.is_empty() {
            return Ok(Vec::new());
        }
        let values = connection.send_packed_commands(&self.commands, 0, self.answers.len()).await?;
        let lasting = self.answers.iter().zip(&values).find_map(|(expected, value)| match value {
            Value::ServerError(error) if expected.is_fatal_error(error) => {
                Some(error.clone().into())
            }
            _ => None,
        });
        lasting.map_or(Ok(values), Err)
    }
}

impl ReplyHandler {
    /// Whether an error says that nothing further can be asked of the server.
    fn is_fatal_error(&self, error: &ServerError) -> bool {
        match (self, ErrorClass::of_reply(error)) {
            (Self::Ignore, _) => false,
            // Few take turns; who may not is told so.
            (Self::Lease(_), ErrorClass::Access) => false,
            // It may be for that key alone: what was asked fails, and whether all else does is tried at once.
            (Self::PutReply(_) | Self::Members(..) | Self::ErrorOnly, ErrorClass::Access) => false,
            (_, class) => class.is_persistent(),
        }
    }
}

/// Tells of messages what became of them. Those that Redis did not take are lost.
fn report_put_results(core: &RedisLayerCore, puts: Vec<KeyMessage>, answer: Value) {
    let refused: Vec<i64> = match answer {
        Value::Array(list) => {
            list.into_iter().filter_map(|at| redis::from_redis_value(at).ok()).collect()
        }
        Value::ServerError(error) => {
            core.report_refused("messages", &error);
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
            Health::count(&core.base.health.dropped, put.receiver_count);
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
