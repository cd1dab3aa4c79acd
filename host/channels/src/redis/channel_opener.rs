//! Opening channels, and starting the tasks that read their keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::key_reader::run_key_reader;
use super::named_channel_reader::NamedChannelReader;
use super::named_reader_task::run_named_reader;
use super::redis_layer_core::RedisLayerCore;
use super::redis_tenant::{KeyReader, RedisTenant};
use crate::{LayerError, Mailbox};
use narrowboat_core::name::ChannelName;

/// Starts the tasks that read the process's own key of a tenant, once the layer is started. They read it on every host,
/// since channels_redis sends a message for one channel and a message for a group to different hosts.
pub(super) fn spawn_own_key_readers(core: &Arc<RedisLayerCore>, tenant: &Arc<RedisTenant>) {
    if tenant.is_own_key_read.load(Ordering::Relaxed) || !core.base.is_started() {
        return;
    }
    // Two tasks that read one key would break the order of its messages.
    if tenant.is_own_key_read.swap(true, Ordering::SeqCst) {
        return;
    }
    for shard in 0..core.base.servers.len() {
        let (task_core, tenant) = (Arc::clone(core), Arc::clone(tenant));
        core.base.spawn(run_key_reader(task_core, tenant, core.own_prefix(), shard));
    }
}

/// Opens a channel, and starts a task that reads its key unless there is one.
///
/// # Errors
/// [`LayerError::ChannelBusy`] if the channel is open.
pub(super) fn open_channel(
    core: &Arc<RedisLayerCore>,
    tenant: &Arc<RedisTenant>,
    channel: &ChannelName,
) -> Result<Mailbox, LayerError> {
    if channel.prefix() == core.own_prefix() {
        tenant.local.open_channel(channel, None)
    } else if channel.is_process_local() {
        open_foreign_channel(core, tenant, channel)
    } else {
        open_named_channel(core, tenant, channel)
    }
}

/// Opens a named channel, with a reader of its own.
fn open_named_channel(
    core: &Arc<RedisLayerCore>,
    tenant: &Arc<RedisTenant>,
    channel: &ChannelName,
) -> Result<Mailbox, LayerError> {
    let mut readers = tenant.lock_readers();
    let previous = match readers.get(channel.prefix()) {
        Some(KeyReader::Named(reader)) => Some(&**reader),
        _ => None,
    };
    let reader = Arc::new(NamedChannelReader::new_after(previous));
    let drained_notify = Some(Arc::clone(&reader.drained_notify));
    let mailbox = tenant.local.open_channel(channel, drained_notify)?;
    core.base.spawn(run_named_reader(
        Arc::clone(core),
        Arc::clone(tenant),
        channel.clone(),
        Arc::clone(&reader),
    ));
    readers.insert(channel.prefix().to_owned(), KeyReader::Named(reader));
    Ok(mailbox)
}

/// Opens a channel with a `!` and the prefix of another process. All channels with one prefix share a reader.
fn open_foreign_channel(
    core: &Arc<RedisLayerCore>,
    tenant: &Arc<RedisTenant>,
    channel: &ChannelName,
) -> Result<Mailbox, LayerError> {
    let prefix = channel.prefix();
    let mut readers = tenant.lock_readers();
    let mailbox = tenant.local.open_channel(channel, None)?;
    if let Some(KeyReader::Shared(_, open_count)) = readers.get_mut(prefix) {
        *open_count += 1;
        return Ok(mailbox);
    }
    let shard = tenant.keys.shard_of(prefix);
    let task = run_key_reader(Arc::clone(core), Arc::clone(tenant), prefix.to_owned(), shard);
    if let Some(task) = core.base.spawn(task) {
        readers.insert(prefix.to_owned(), KeyReader::Shared(task, 1));
    }
    Ok(mailbox)
}
