//! The state that the layer and its tasks share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::ServerError;
use tokio::sync::{Notify, watch};

use super::eviction_counter::EvictionCounter;
use super::named_channel_reader::NamedChannelReader;
use super::redis_op::{MembershipChange, RedisOp};
use super::redis_tenant::{KeyReader, RedisTenant};
use super::score_clock::ScoreClock;
use crate::LayerLimits;
use crate::layer_events::is_process_local_group;
use crate::process_channels::ProcessChannels;
use crate::redis_common::{Codec, LayerTenants, RedisKeys, RedisLayerBase};
use narrowboat_config::RedisConfig;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};
use narrowboat_redis_client::ErrorClass;

/// The time beyond `expiry` that an encrypted message may be under way, as in channels_redis.
const TOKEN_AGE_GRACE: Duration = Duration::from_secs(10);

/// A failure of a server, and the server's index.
pub(super) type HostFailure = (usize, redis::RedisError);

/// The state that the layer and its tasks share.
pub(super) struct RedisLayerCore {
    pub(super) base: RedisLayerBase<RedisOp>,
    pub(super) clock: ScoreClock,
    prefix: String,
    pub(super) process: ProcessId,
    tenants: LayerTenants<RedisTenant>,
    /// The number of evicted keys of each server.
    pub(super) evictions: Vec<EvictionCounter>,
    /// Whether the memberships of the open channels must be written again, since one found no room in the queue.
    pub(super) resync_needed: AtomicBool,
    /// Counts the restarts of all readers.
    restarts: watch::Sender<u64>,
    /// Notified when a reader loses its connection, since the other connections may be broken too.
    pub(super) self_test_requested: Notify,
    weak_self: Weak<Self>,
}

impl RedisLayerCore {
    /// Creates the state of a layer that is not started.
    pub(super) fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Arc<Self> {
        let codec = Codec::new(
            config,
            config.random_prefix_length,
            Some(limits.expiry + TOKEN_AGE_GRACE),
            limits.message_bytes,
        );
        Arc::new_cyclic(|weak_self| Self {
            base: RedisLayerBase::new(name, config, limits, codec),
            clock: ScoreClock::default(),
            prefix: config.prefix.clone(),
            process: ProcessId::random(),
            tenants: LayerTenants::default(),
            evictions: config.hosts.iter().map(|_| EvictionCounter::default()).collect(),
            resync_needed: AtomicBool::new(false),
            restarts: watch::Sender::new(0),
            self_test_requested: Notify::new(),
            weak_self: Weak::clone(weak_self),
        })
    }

    /// Returns a tenant, which is created if need be.
    pub(super) fn tenant(&self, tenant: &Tenant) -> Arc<RedisTenant> {
        let create = || {
            let local = ProcessChannels::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.set_close_listener(Weak::<Self>::clone(&self.weak_self));
            let keys = RedisKeys::new(&self.prefix, tenant, self.base.servers.len());
            RedisTenant::new(tenant.clone(), keys, local)
        };
        self.tenants.get_or_create(tenant, create, |_| {})
    }

    pub(super) fn tenants(&self) -> Vec<Arc<RedisTenant>> {
        self.tenants.all()
    }

    /// Returns the readers of named channels whose mailboxes were dropped.
    pub(super) fn closed_readers(&self) -> Vec<Arc<NamedChannelReader>> {
        let mut closed = Vec::new();
        for tenant in self.tenants() {
            closed.extend(tenant.lock_readers().values().filter_map(|reader| match reader {
                KeyReader::Named(reader) if reader.is_closed() => Some(Arc::clone(reader)),
                _ => None,
            }));
        }
        closed
    }

    /// Returns the prefix of this process's unique names, up to the `!`.
    pub(super) fn own_prefix(&self) -> String {
        format!("specific.{}!", self.process)
    }

    /// Subscribes to the restarts of all readers.
    pub(super) fn subscribe_restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    /// Makes all readers connect again.
    pub(super) fn restart_readers(&self) {
        self.restarts.send_modify(|count| *count += 1);
    }

    /// Returns the lifetime of a message key in seconds.
    pub(super) fn message_seconds(&self) -> u64 {
        round_up_seconds(self.base.limits.expiry)
    }

    /// Returns the lifetime of a group key in seconds.
    pub(super) fn group_seconds(&self) -> u64 {
        round_up_seconds(self.base.limits.group_expiry)
    }

    /// Returns the remaining lifetime of a message that was read from a key, or `None` if it has expired, which is
    /// counted. `max_wait` is the longest time that it can have waited there.
    pub(super) fn remaining_lifetime(
        &self,
        key: &str,
        score: f64,
        max_wait: Option<Duration>,
    ) -> Option<Duration> {
        let lifetime = self.clock.remaining_lifetime(score, self.base.limits.expiry, max_wait);
        if lifetime.is_none() {
            self.base.health.record_expired(key);
        }
        lifetime
    }

    /// Logs an error reply to a command that may succeed for another key. Requests a self-test unless the error is
    /// about the key alone.
    pub(super) fn report_refused(&self, command: &str, error: &ServerError) {
        self.base.health.warn_throttled(format_args!("Redis refused {command}: {error}"));
        if ErrorClass::of_reply(error) != ErrorClass::Key {
            self.self_test_requested.notify_one();
        }
    }

    /// Queues the begin of a membership, of a channel that is open here or of any name. A full queue is not an error.
    pub(super) fn queue_group_add(
        &self,
        tenant: Arc<RedisTenant>,
        group: &GroupName,
        channel: &ChannelName,
    ) {
        let (group, channel) = (group.clone(), channel.clone());
        let is_own = channel.is_process_local() && tenant.local.is_member(&group, &channel);
        self.queue_membership_change(MembershipChange {
            tenant,
            group,
            channel,
            is_add: true,
            is_own,
        });
    }

    /// Queues the end of a membership.
    pub(super) fn queue_group_discard(
        &self,
        tenant: Arc<RedisTenant>,
        group: &GroupName,
        channel: &ChannelName,
    ) {
        let (group, channel) = (group.clone(), channel.clone());
        self.queue_membership_change(MembershipChange {
            tenant,
            group,
            channel,
            is_add: false,
            is_own: false,
        });
    }

    fn queue_membership_change(&self, change: MembershipChange) {
        if is_process_local_group(&change.group) {
            return;
        }
        let Err(RedisOp::ChangeMembership(refused)) =
            self.base.queue.push(RedisOp::ChangeMembership(change))
        else {
            return;
        };
        let MembershipChange { group, channel, is_add, is_own, .. } = refused;
        if is_add && is_own {
            self.resync_needed.store(true, Ordering::Relaxed);
            return;
        }
        let effect = if is_add { "does not begin" } else { "lasts until it expires" };
        self.base.health.warn_throttled(format_args!(
            "too many memberships wait for Redis: the membership of {channel} in {group} {effect}"
        ));
    }
}

fn round_up_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}
