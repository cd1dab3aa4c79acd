//! Closing channels: ending their readers and memberships.

use std::sync::Arc;

use super::named_channel_reader::NamedChannelReader;
use super::redis_layer_core::RedisLayerCore;
use super::redis_op::RedisOp;
use super::redis_tenant::{KeyReader, RedisTenant};
use crate::process_channel::UnreadDeliveries;
use crate::process_channels::CloseListener;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

impl CloseListener for RedisLayerCore {
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        unread: UnreadDeliveries,
    ) {
        let tenant = self.tenant(tenant);
        let named_reader = self.close_reader(&tenant, channel);
        if channel.is_process_local() {
            for group in groups {
                self.queue_group_discard(Arc::clone(&tenant), &group, channel);
            }
        } else if let Some(reader) = named_reader {
            self.requeue_unread(&tenant, channel, &reader, unread);
        }
    }
}

impl RedisLayerCore {
    /// Ends the reader of a channel, unless it is shared with other open channels. Returns the reader of a named
    /// channel.
    fn close_reader(
        &self,
        tenant: &RedisTenant,
        channel: &ChannelName,
    ) -> Option<Arc<NamedChannelReader>> {
        let prefix = channel.prefix();
        let mut readers = tenant.lock_readers();
        match readers.get_mut(prefix)? {
            KeyReader::Named(reader) => {
                if let Some(connection_id) = reader.close() {
                    let shard = tenant.keys.shard_of(prefix);
                    let _ = self.base.queue.push(RedisOp::Unblock { shard, connection_id });
                }
                Some(Arc::clone(reader))
            }
            KeyReader::Shared(task, open_count) => {
                *open_count -= 1;
                if *open_count == 0 {
                    task.abort();
                    readers.remove(prefix);
                }
                None
            }
        }
    }
}
