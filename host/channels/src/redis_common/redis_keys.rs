//! Names and hosts of keys in Redis, as in channels_redis.

use narrowboat_core::name::{GroupName, ProcessId, Tenant};

/// The names and hosts of one tenant's keys.
#[derive(Debug, Clone)]
pub(crate) struct RedisKeys {
    prefix: String,
    shard_count: usize,
}

impl RedisKeys {
    /// Creates the names of a tenant's keys. The keys of the tenant `default` begin with `prefix`. Those of another
    /// tenant begin with `{prefix}@{tenant}@`, which is unambiguous, since no name contains an `@`.
    pub(crate) fn new(prefix: &str, tenant: &Tenant, shard_count: usize) -> Self {
        let prefix =
            if tenant.is_default() { prefix.to_owned() } else { format!("{prefix}@{tenant}@") };
        Self { prefix, shard_count }
    }

    /// Returns the prefix of every key.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the key of the messages for the channels with a [prefix](narrowboat_core::name::ChannelName::prefix).
    pub(crate) fn message_key(&self, channel_prefix: &str) -> String {
        format!("{}{channel_prefix}", self.prefix)
    }

    /// Returns the key of the members of a group.
    pub(crate) fn group_key(&self, group: &GroupName) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// Returns the topic of a group's messages, for the publish/subscribe layer.
    pub(crate) fn group_topic(&self, group: &GroupName) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    /// Returns the key of a lease. channels_redis has no such key.
    pub(crate) fn lease_key(&self, name: &str) -> String {
        format!("{}:narrowboat:turn:{name}", self.prefix)
    }

    /// Returns the key of a process's marker, which shows that a server has kept its data. channels_redis has no such
    /// key.
    pub(crate) fn marker_key(&self, process: &ProcessId) -> String {
        format!("{}{process}", self.marker_prefix())
    }

    /// Returns the prefix of all processes' markers.
    pub(crate) fn marker_prefix(&self) -> String {
        format!("{}:narrowboat:written:", self.prefix)
    }

    /// Returns the shard of a group name, a channel prefix or a topic.
    pub(crate) fn shard_of(&self, name: &str) -> usize {
        shard_index(name, self.shard_count)
    }
}

/// Returns the shard of a name, as `_consistent_hash` in `utils.py` of channels_redis.
fn shard_index(name: &str, shards: usize) -> usize {
    if shards == 1 {
        return 0;
    }
    let hash = crc32fast::hash(name.as_bytes()) & 0xfff;
    // As Python divides: 4096 / n is a float there. Both are exact or far from a whole number.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a dozen shards, 4096 slots"
    )]
    let shard = (f64::from(hash) / (4096.0 / shards as f64)) as usize;
    shard.min(shards - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_same_shards_as_in_channels_redis() {
        let shards = |name| [1, 2, 3, 10].map(|n| shard_index(name, n));
        assert_eq!(shards("test-group"), [0, 1, 2, 8]);
        assert_eq!(shards("chat_lobby"), [0, 1, 1, 5]);
    }

    #[test]
    fn keys_of_other_tenants_contain_the_tenant() {
        let group: GroupName = "g".parse().unwrap();
        let own = RedisKeys::new("asgi", &Tenant::default_tenant(), 1);
        assert_eq!(own.group_key(&group), "asgi:group:g");
        assert_eq!(own.message_key("specific.a!"), "asgispecific.a!");
        let other = RedisKeys::new("asgi", &"acme".parse().unwrap(), 1);
        assert_eq!(other.group_key(&group), "asgi@acme@:group:g");
    }
}
