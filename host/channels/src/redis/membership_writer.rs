//! Writing the memberships that this process knows.

use std::collections::HashSet;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::redis_layer_core::{HostFailure, RedisLayerCore};
use super::redis_op::{MembershipChange, RedisOp};
use super::redis_tenant::RedisTenant;
use crate::layer_events::is_process_local_group;
use crate::redis_common::{AttachGuard, BatchItem};
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// The largest number of commands in one round trip, and of members in one command.
const CHUNK_SIZE: usize = 500;

/// A group of a tenant.
pub(super) type TenantGroup = (Arc<RedisTenant>, GroupName);

/// Returns the commands that write the begin or end of a membership. There are none if the channel has left the group
/// meanwhile: the operation that ended the membership comes later, or came before.
pub(super) fn membership_commands(core: &RedisLayerCore, change: &MembershipChange) -> Vec<Cmd> {
    let MembershipChange { tenant, group, channel, is_add, is_own } = change;
    let key = tenant.keys.group_key(group);
    if !is_add {
        let mut remove = redis::cmd("ZREM");
        remove.arg(key).arg(channel.as_str());
        return vec![remove];
    }
    if *is_own && !tenant.local.is_member(group, channel) {
        return Vec::new();
    }
    let (mut add, mut expire) = (redis::cmd("ZADD"), redis::cmd("EXPIRE"));
    add.arg(&key).arg(core.clock.now()).arg(channel.as_str());
    expire.arg(key).arg(core.group_seconds());
    vec![add, expire]
}

/// Writes the memberships of the open channels, and the changes while a server was unreachable. Returns the groups that
/// Redis refused to write.
///
/// # Errors
/// The first server that fails.
pub(super) async fn restore_memberships(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    attached: &AttachGuard<'_, RedisOp>,
) -> Result<Vec<TenantGroup>, HostFailure> {
    let unwritten = write_all_memberships(core, connections, false).await?;
    loop {
        let mut batch = attached.take_deferred();
        if batch.is_empty() {
            return Ok(unwritten);
        }
        let mut writer = MembershipWriter::new(core, connections);
        loop {
            let index = batch.next_membership_index();
            let Some(item) = batch.next() else { break };
            let BatchItem::Membership(RedisOp::ChangeMembership(change)) = item else { continue };
            let shard = change.tenant.keys.shard_of(change.group.as_str());
            for command in membership_commands(core, change) {
                writer.add_command(shard, index, command).await?;
            }
        }
        let refused = writer.finish().await?;
        batch.mark_written_except(&refused.into_iter().map(|(index, _)| index).collect());
    }
}

/// Writes the memberships of all open channels. With `only_renew`, leaves out those that other processes have ended.
/// Returns the groups that Redis refused to write.
///
/// # Errors
/// The first server that fails.
pub(super) async fn write_all_memberships(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    only_renew: bool,
) -> Result<Vec<TenantGroup>, HostFailure> {
    let groups_of = |tenant: Arc<RedisTenant>| {
        let groups =
            tenant.local.group_names().into_iter().filter(|group| !is_process_local_group(group));
        groups.map(move |group| (Arc::clone(&tenant), group)).collect::<Vec<_>>()
    };
    let groups = core.tenants().into_iter().flat_map(groups_of).collect();
    write_group_memberships(core, connections, groups, only_renew).await
}

/// Writes the memberships of open channels in some groups. The rest is as in [`write_all_memberships`].
///
/// # Errors
/// The first server that fails.
pub(super) async fn write_group_memberships(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    groups: Vec<TenantGroup>,
    only_renew: bool,
) -> Result<Vec<TenantGroup>, HostFailure> {
    let mut writer = MembershipWriter::new(core, connections);
    for (index, (tenant, group)) in groups.iter().enumerate() {
        let members = tenant.local.member_names(group.as_str());
        if members.is_empty() {
            continue;
        }
        let shard = tenant.keys.shard_of(group.as_str());
        let key = tenant.keys.group_key(group);
        for members in members.chunks(CHUNK_SIZE) {
            writer.add_command(shard, index, zadd_command(core, &key, members, only_renew)).await?;
        }
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&key).arg(core.group_seconds());
        writer.add_command(shard, index, expire).await?;
    }
    let mut refused = writer.finish().await?;
    // A membership that could not be renewed still exists, unless the key has another type.
    refused.retain(|(_, class)| !only_renew || *class == ErrorClass::Key);
    let refused: HashSet<_> = refused.into_iter().map(|(index, _)| index).collect();
    let groups = groups.into_iter().enumerate().filter(|(index, _)| refused.contains(index));
    Ok(groups.map(|(_, group)| group).collect())
}

fn zadd_command(
    core: &RedisLayerCore,
    key: &str,
    members: &[ChannelName],
    only_renew: bool,
) -> Cmd {
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

/// Sends commands in large chunks. Each command belongs to a membership or a group with an index.
struct MembershipWriter<'a> {
    core: &'a RedisLayerCore,
    connections: &'a [MultiplexedConnection],
    /// The commands for each host, and their indices.
    pipelines: Vec<(Pipeline, Vec<usize>)>,
    /// The indices of commands that Redis refused.
    refused: Vec<(usize, ErrorClass)>,
}

impl<'a> MembershipWriter<'a> {
    fn new(core: &'a RedisLayerCore, connections: &'a [MultiplexedConnection]) -> Self {
        let pipelines = connections.iter().map(|_| (Pipeline::new(), Vec::new())).collect();
        Self { core, connections, pipelines, refused: Vec::new() }
    }

    async fn add_command(
        &mut self,
        shard: usize,
        index: usize,
        command: Cmd,
    ) -> Result<(), HostFailure> {
        let (pipeline, indices) = &mut self.pipelines[shard];
        pipeline.add_command(command);
        indices.push(index);
        if indices.len() >= CHUNK_SIZE { self.write_shard(shard).await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<Vec<(usize, ErrorClass)>, HostFailure> {
        for shard in 0..self.pipelines.len() {
            self.write_shard(shard).await?;
        }
        Ok(self.refused)
    }

    async fn write_shard(&mut self, shard: usize) -> Result<(), HostFailure> {
        let (pipeline, indices) = std::mem::take(&mut self.pipelines[shard]);
        if indices.is_empty() {
            return Ok(());
        }
        let mut connection = self.connections[shard].clone();
        let replies = connection.send_packed_commands(&pipeline, 0, indices.len()).await;
        let replies = replies.map_err(|error| (shard, error))?;
        if let Some(error) = find_persistent_error(&replies) {
            return Err((shard, error));
        }
        for (index, reply) in indices.into_iter().zip(replies) {
            if let Value::ServerError(error) = reply {
                self.core.report_refused("memberships", &error);
                self.refused.push((index, ErrorClass::of_reply(&error)));
            }
        }
        Ok(())
    }
}
