//! Writing the memberships that are known here.

use std::collections::HashSet;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::layer_base::is_process_local_group;
use super::operation_queue::{AttachGuard, Next};
use super::pipeline::HostFailure;
use super::redis_op::RedisOp;
use super::{RedisLayerCore, RedisTenant};
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// Commands in one round trip when memberships are written anew, and members in one command.
const CHUNK_SIZE: usize = 500;

/// A group of a tenant.
pub(super) type TenantGroup = (Arc<RedisTenant>, GroupName);

/// Writes the memberships of the open channels, and those that began or ended while a server was away. Gives the groups
/// for which that was refused.
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
            let place = batch.next_membership_index();
            let Some(next) = batch.next() else { break };
            let Next::Membership(RedisOp::ChangeMembership(membership)) = next else { continue };
            let shard = membership.tenant.keys.shard(membership.group.as_str());
            for command in membership.redis_commands(core) {
                writer.add_command(shard, place, command).await?;
            }
        }
        let refused = writer.finish().await?;
        batch.mark_written_except(&refused.into_iter().map(|(place, _)| place).collect());
    }
}

/// Writes the members of every group that are open here. A renewal leaves out those that others have ended. Gives the
/// groups that are to be written later.
pub(super) async fn write_all_memberships(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    only_renew: bool,
) -> Result<Vec<TenantGroup>, HostFailure> {
    let of_world = |world: Arc<RedisTenant>| {
        let groups =
            world.local.group_names().into_iter().filter(|group| !is_process_local_group(group));
        groups.map(move |group| (Arc::clone(&world), group)).collect::<Vec<_>>()
    };
    let groups = core.tenants().into_iter().flat_map(of_world).collect();
    write_group_memberships(core, connections, groups, only_renew).await
}

/// The same for some groups.
pub(super) async fn write_group_memberships(
    core: &RedisLayerCore,
    connections: &[MultiplexedConnection],
    groups: Vec<TenantGroup>,
    only_renew: bool,
) -> Result<Vec<TenantGroup>, HostFailure> {
    let mut writer = MembershipWriter::new(core, connections);
    for (place, (world, group)) in groups.iter().enumerate() {
        let members = world.local.member_names(group.as_str());
        if members.is_empty() {
            continue;
        }
        let shard = world.keys.shard(group.as_str());
        let key = world.keys.group_key(group);
        for members in members.chunks(CHUNK_SIZE) {
            writer.add_command(shard, place, zadd_command(core, &key, members, only_renew)).await?;
        }
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&key).arg(core.group_seconds());
        writer.add_command(shard, place, expire).await?;
    }
    let mut refused = writer.finish().await?;
    // What was only to be renewed is still there, except where the key is another's.
    refused.retain(|(_, class)| !only_renew || *class == ErrorClass::Key);
    let refused: HashSet<_> = refused.into_iter().map(|(place, _)| place).collect();
    let groups = groups.into_iter().enumerate().filter(|(place, _)| refused.contains(place));
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

/// Commands in large pieces, each for something that has a place. Notes the places of those that are refused.
struct MembershipWriter<'a> {
    core: &'a RedisLayerCore,
    connections: &'a [MultiplexedConnection],
    pipelines: Vec<(Pipeline, Vec<usize>)>,
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
        place: usize,
        command: Cmd,
    ) -> Result<(), HostFailure> {
        let (pipeline, places) = &mut self.pipelines[shard];
        pipeline.add_command(command);
        places.push(place);
        if places.len() >= CHUNK_SIZE { self.write_shard(shard).await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<Vec<(usize, ErrorClass)>, HostFailure> {
        for shard in 0..self.pipelines.len() {
            self.write_shard(shard).await?;
        }
        Ok(self.refused)
    }

    async fn write_shard(&mut self, shard: usize) -> Result<(), HostFailure> {
        let (pipeline, places) = std::mem::take(&mut self.pipelines[shard]);
        if places.is_empty() {
            return Ok(());
        }
        let mut connection = self.connections[shard].clone();
        let answers = connection.send_packed_commands(&pipeline, 0, places.len()).await;
        let answers = answers.map_err(|error| (shard, error))?;
        if let Some(error) = find_persistent_error(&answers) {
            return Err((shard, error));
        }
        for (place, answer) in places.into_iter().zip(answers) {
            if let Value::ServerError(error) = answer {
                self.core.report_refused("memberships", &error);
                self.refused.push((place, ErrorClass::of_reply(&error)));
            }
        }
        Ok(())
    }
}
