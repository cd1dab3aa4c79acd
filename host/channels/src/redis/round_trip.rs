//! One round trip to every host.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::health_check::{has_marker, own_marker_key};
use super::members_by_key::MembersByKey;
use super::membership_writer::membership_commands;
use super::pipeline_backlog::PipelineBacklog;
use super::put_results::report_put_results;
use super::redis_layer_core::{HostFailure, RedisLayerCore};
use super::redis_op::{GroupSend, KeyMessage, MembershipChange, RedisOp};
use super::shard_pipeline::{ReplyHandler, ShardPipeline};
use crate::redis_common::{
    BarrierSender, BatchItem, LayerHealth, OperationBatch, UnansweredMessages,
};
use narrowboat_core::name::GroupName;
use narrowboat_redis_client::ErrorClass;

/// The commands of one round trip, and what to do with the replies.
pub(super) struct RoundTrip {
    shards: Vec<ShardPipeline>,
    barriers: Vec<BarrierSender>,
    /// Messages that wait for the members of a group to be known, and the messages after them.
    deferred_sends: Vec<DeferredSend>,
    fetched_members: Vec<Option<MembersByKey>>,
    /// The groups whose members this round trip requests, by tenant and name, with the index in `fetched_members`.
    member_requests: HashMap<(usize, GroupName), usize>,
    /// Whether a server has lost its data without a disconnect.
    pub(super) is_data_lost: bool,
    /// Whether a command was not permitted, perhaps for its key alone.
    pub(super) is_access_denied: bool,
    /// The memberships that Redis refused, by index in the batch.
    pub(super) refused_memberships: HashSet<usize>,
}

/// A message for the next round trip.
enum DeferredSend {
    Message(KeyMessage),
    /// A message for the members with this index.
    GroupSend(usize, GroupSend),
}

impl RoundTrip {
    /// Creates a round trip: the messages that are ready, the operations to repeat, and then the batch in order.
    pub(super) fn new(
        core: &RedisLayerCore,
        backlog: PipelineBacklog,
        batch: &mut OperationBatch<'_, RedisOp>,
    ) -> Self {
        let mut round_trip = Self {
            shards: core.base.servers.iter().map(|_| ShardPipeline::default()).collect(),
            barriers: Vec::new(),
            deferred_sends: Vec::new(),
            fetched_members: Vec::new(),
            member_requests: HashMap::new(),
            is_data_lost: false,
            is_access_denied: false,
            refused_memberships: HashSet::new(),
        };
        for message in backlog.ready_messages {
            round_trip.shards[message.shard].messages.push(message);
        }
        for operation in backlog.retries {
            round_trip.add_operation(core, operation);
        }
        loop {
            let index = batch.next_membership_index();
            let Some(item) = batch.next() else { break };
            match item {
                BatchItem::Membership(RedisOp::ChangeMembership(change)) => {
                    round_trip.add_membership(core, change, index);
                }
                BatchItem::Membership(_) => {}
                BatchItem::Other(operation) => round_trip.add_operation(core, operation),
            }
        }
        for shard in &mut round_trip.shards {
            shard.add_put_scripts(core);
        }
        round_trip
    }

    fn add_operation(&mut self, core: &RedisLayerCore, operation: RedisOp) {
        match operation {
            // The message waited too long for a server that was unreachable.
            RedisOp::PutMessage(KeyMessage { sent_at, .. })
            | RedisOp::GroupSend(GroupSend { sent_at, .. })
                if sent_at.elapsed() >= core.base.limits.expiry =>
            {
                LayerHealth::add_to_counter(&core.base.health.lost, 1);
            }
            RedisOp::PutMessage(message) if self.deferred_sends.is_empty() => {
                self.shards[message.shard].messages.push(message);
            }
            RedisOp::PutMessage(message) => {
                self.deferred_sends.push(DeferredSend::Message(message));
            }
            RedisOp::ChangeMembership(_) => {}
            RedisOp::GroupSend(send) => {
                let index = self.request_members(core, &send);
                self.deferred_sends.push(DeferredSend::GroupSend(index, send));
            }
            RedisOp::AcquireLease(request) => {
                self.shards[request.shard].add(request.set_command(), ReplyHandler::Lease(request));
            }
            RedisOp::Unblock { shard, connection_id } => {
                let mut unblock = redis::cmd("CLIENT");
                unblock.arg("UNBLOCK").arg(connection_id);
                // Without the permission for this command, the reader ends when its blocking wait does.
                self.shards[shard].add(unblock, ReplyHandler::Ignore);
            }
            RedisOp::Barrier(barrier) => self.barriers.push(barrier),
        }
    }

    fn add_membership(&mut self, core: &RedisLayerCore, change: &MembershipChange, index: usize) {
        let MembershipChange { tenant, group, .. } = change;
        self.member_requests.remove(&(Arc::as_ptr(tenant) as usize, group.clone()));
        let shard = &mut self.shards[tenant.keys.shard_of(group.as_str())];
        for command in membership_commands(core, change) {
            shard.add(command, ReplyHandler::Membership(index));
        }
    }

    /// Requests the members of a group, unless this round trip has requested them since the last membership change.
    /// Returns the index in `fetched_members`.
    fn request_members(
        &mut self,
        core: &RedisLayerCore,
        GroupSend { tenant, group, .. }: &GroupSend,
    ) -> usize {
        let request = (Arc::as_ptr(tenant) as usize, group.clone());
        if let Some(&index) = self.member_requests.get(&request) {
            return index;
        }
        let index = self.fetched_members.len();
        let shard = &mut self.shards[tenant.keys.shard_of(group.as_str())];
        let key = tenant.keys.group_key(group);
        if !shard.reply_handlers.iter().any(|handler| matches!(handler, ReplyHandler::Marker)) {
            let mut marker = redis::cmd("ZCARD");
            marker.arg(own_marker_key(core));
            shard.add(marker, ReplyHandler::Marker);
        }
        let oldest = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
        let mut expire = redis::cmd("ZREMRANGEBYSCORE");
        expire.arg(&key).arg(0).arg(oldest);
        shard.add(expire, ReplyHandler::ErrorOnly);
        let mut members = redis::cmd("ZRANGE");
        members.arg(&key).arg(0).arg(-1);
        shard.add(members, ReplyHandler::Members(index, key));
        self.fetched_members.push(None);
        self.member_requests.insert(request, index);
        index
    }

    /// Returns the number of messages that are lost if this round trip fails.
    fn message_count(&self) -> u64 {
        let count: usize = self.shards.iter().map(ShardPipeline::message_count).sum();
        (count + self.deferred_sends.len()) as u64
    }

    /// Sends the commands and handles the replies. Returns the messages that are ready for the next round trip.
    ///
    /// # Errors
    /// The first host that fails.
    pub(super) async fn execute(
        &mut self,
        core: &RedisLayerCore,
        connections: &[MultiplexedConnection],
    ) -> Result<Vec<KeyMessage>, HostFailure> {
        let messages = UnansweredMessages::new(&core.base.health.lost, self.message_count());
        let shards = self.shards.iter().zip(connections).enumerate();
        let exchanges = shards.map(async |(host, (shard, connection))| {
            let started = Instant::now();
            let replies = shard.send_and_receive(connection.clone()).await;
            core.base.health.round_trip_times.count(started.elapsed());
            replies.map_err(|error| (host, error))
        });
        let replies = futures_util::future::try_join_all(exchanges).await?;
        messages.mark_answered();
        let shards = self.shards.iter_mut().zip(replies);
        let answered =
            shards.flat_map(|(shard, replies)| shard.reply_handlers.drain(..).zip(replies));
        for (handler, reply) in answered.collect::<Vec<_>>() {
            self.handle_reply(core, handler, reply);
        }
        for barrier in self.barriers.drain(..) {
            let _ = barrier.send(Ok(()));
        }
        Ok(if self.is_data_lost { Vec::new() } else { self.take_ready_messages(core) })
    }

    fn handle_reply(&mut self, core: &RedisLayerCore, handler: ReplyHandler, reply: Value) {
        if let Value::ServerError(error) = &reply
            && !matches!(handler, ReplyHandler::Ignore | ReplyHandler::Lease(_))
        {
            self.is_access_denied |= ErrorClass::of_reply(error) == ErrorClass::Access;
        }
        match (handler, reply) {
            (ReplyHandler::Ignore, _) => {}
            (ReplyHandler::ErrorOnly, Value::ServerError(error)) => {
                core.report_refused("a command", &error);
            }
            (ReplyHandler::Membership(index), Value::ServerError(error)) => {
                core.report_refused("a membership", &error);
                self.refused_memberships.insert(index);
            }
            (ReplyHandler::ErrorOnly | ReplyHandler::Membership(_), _) => {}
            (ReplyHandler::Marker, reply) => self.is_data_lost |= !has_marker(Some(&reply)),
            (ReplyHandler::Members(index, key), reply) => {
                self.fetched_members[index] = MembersByKey::from_reply(core, &key, reply);
            }
            (ReplyHandler::Lease(request), reply) => request.send_reply(&reply),
            (ReplyHandler::PutReply(messages), reply) => {
                report_put_results(core, messages, reply);
            }
        }
    }

    /// Takes the operations to repeat, in order, since a server has lost the members of groups.
    pub(super) fn take_retries(&mut self) -> Vec<RedisOp> {
        let retries = self.deferred_sends.drain(..).map(|deferred| match deferred {
            DeferredSend::Message(message) => RedisOp::PutMessage(message),
            DeferredSend::GroupSend(_, send) => RedisOp::GroupSend(send),
        });
        retries.collect()
    }

    fn take_ready_messages(&mut self, core: &RedisLayerCore) -> Vec<KeyMessage> {
        let mut ready = Vec::with_capacity(self.deferred_sends.len());
        for deferred in self.deferred_sends.drain(..) {
            match deferred {
                DeferredSend::Message(message) => ready.push(message),
                DeferredSend::GroupSend(index, send) => match &self.fetched_members[index] {
                    Some(members) => members.append_key_messages(core, &send, &mut ready),
                    None => LayerHealth::add_to_counter(&core.base.health.lost, 1),
                },
            }
        }
        ready
    }
}
