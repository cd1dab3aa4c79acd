//! Writing the memberships that are known here.

use std::collections::HashSet;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::base::is_local;
use super::op::Op;
use super::pipeline::Failure;
use super::queue::{Attached, Next};
use super::{Core, World};
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_redis_client::{ErrorClass, lasting_error};

/// Commands in one round trip when memberships are written anew, and members in one command.
const CHUNK: usize = 500;

/// A group of a tenant.
pub(super) type Group = (Arc<World>, GroupName);

/// Writes the memberships of the open channels, and those that began or ended while a server was away. Gives the groups
/// for which that was refused.
pub(super) async fn restore(
    core: &Core,
    connections: &[MultiplexedConnection],
    attached: &Attached<'_, Op>,
) -> Result<Vec<Group>, Failure> {
    let unwritten = write_all(core, connections, false).await?;
    loop {
        let mut batch = attached.deferred();
        if batch.is_empty() {
            return Ok(unwritten);
        }
        let mut writer = Writer::new(core, connections);
        loop {
            let place = batch.place();
            let Some(next) = batch.next() else { break };
            let Next::Membership(Op::Membership(membership)) = next else { continue };
            let shard = membership.world.keys.shard(membership.group.as_str());
            for command in membership.commands(core) {
                writer.add(shard, place, command).await?;
            }
        }
        let refused = writer.finish().await?;
        batch.written_but(&refused.into_iter().map(|(place, _)| place).collect());
    }
}

/// Writes the members of every group that are open here. A renewal leaves out those that others have ended. Gives the
/// groups that are to be written later.
pub(super) async fn write_all(
    core: &Core,
    connections: &[MultiplexedConnection],
    only_renew: bool,
) -> Result<Vec<Group>, Failure> {
    let of_world = |world: Arc<World>| {
        let groups = world.local.groups().into_iter().filter(|group| !is_local(group));
        groups.map(move |group| (Arc::clone(&world), group)).collect::<Vec<_>>()
    };
    let groups = core.worlds().into_iter().flat_map(of_world).collect();
    write_groups(core, connections, groups, only_renew).await
}

/// The same for some groups.
pub(super) async fn write_groups(
    core: &Core,
    connections: &[MultiplexedConnection],
    groups: Vec<Group>,
    only_renew: bool,
) -> Result<Vec<Group>, Failure> {
    let mut writer = Writer::new(core, connections);
    for (place, (world, group)) in groups.iter().enumerate() {
        let members = world.local.members(group.as_str());
        if members.is_empty() {
            continue;
        }
        let shard = world.keys.shard(group.as_str());
        let key = world.keys.group(group);
        for members in members.chunks(CHUNK) {
            writer.add(shard, place, add_members(core, &key, members, only_renew)).await?;
        }
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&key).arg(core.group_seconds());
        writer.add(shard, place, expire).await?;
    }
    let mut refused = writer.finish().await?;
    // What was only to be renewed is still there, except where the key is another's.
    refused.retain(|(_, class)| !only_renew || *class == ErrorClass::Key);
    let refused: HashSet<_> = refused.into_iter().map(|(place, _)| place).collect();
    let groups = groups.into_iter().enumerate().filter(|(place, _)| refused.contains(place));
    Ok(groups.map(|(_, group)| group).collect())
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

/// Commands in large pieces, each for something that has a place. Notes the places of those that are refused.
struct Writer<'a> {
    core: &'a Core,
    connections: &'a [MultiplexedConnection],
    pipelines: Vec<(Pipeline, Vec<usize>)>,
    refused: Vec<(usize, ErrorClass)>,
}

impl<'a> Writer<'a> {
    fn new(core: &'a Core, connections: &'a [MultiplexedConnection]) -> Self {
        let pipelines = connections.iter().map(|_| (Pipeline::new(), Vec::new())).collect();
        Self { core, connections, pipelines, refused: Vec::new() }
    }

    async fn add(&mut self, shard: usize, place: usize, command: Cmd) -> Result<(), Failure> {
        let (pipeline, places) = &mut self.pipelines[shard];
        pipeline.add_command(command);
        places.push(place);
        if places.len() >= CHUNK { self.write(shard).await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<Vec<(usize, ErrorClass)>, Failure> {
        for shard in 0..self.pipelines.len() {
            self.write(shard).await?;
        }
        Ok(self.refused)
    }

    async fn write(&mut self, shard: usize) -> Result<(), Failure> {
        let (pipeline, places) = std::mem::take(&mut self.pipelines[shard]);
        if places.is_empty() {
            return Ok(());
        }
        let mut connection = self.connections[shard].clone();
        let answers = connection.send_packed_commands(&pipeline, 0, places.len()).await;
        let answers = answers.map_err(|error| (shard, error))?;
        if let Some(error) = lasting_error(&answers) {
            return Err((shard, error));
        }
        for (place, answer) in places.into_iter().zip(answers) {
            if let Value::ServerError(error) = answer {
                self.core.refused("memberships", &error);
                self.refused.push((place, ErrorClass::of_reply(&error)));
            }
        }
        Ok(())
    }
}
