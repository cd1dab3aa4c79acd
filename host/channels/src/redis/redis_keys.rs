//! Names of keys, and the host that each is kept on, as channels_redis has them.

use narrowboat_core::name::{GroupName, ProcessId, Tenant};

/// One tenant's keys.
#[derive(Debug, Clone)]
pub(crate) struct RedisKeys {
    prefix: String,
    shard_count: usize,
}

impl RedisKeys {
    /// The keys of the tenant `default` begin with the prefix as it is. Those of another begin with
    /// `{prefix}@{tenant}@`, which none of the first can, since no name has an `@`.
    pub(crate) fn new(prefix: &str, tenant: &Tenant, shard_count: usize) -> Self {
        let prefix =
            if tenant.is_default() { prefix.to_owned() } else { format!("{prefix}@{tenant}@") };
        Self { prefix, shard_count }
    }

    /// What every key begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where messages wait that are for the channels of a [place](narrowboat_core::name::ChannelName::place).
    pub(crate) fn messages(&self, place: &str) -> String {
        format!("{}{place}", self.prefix)
    }

    /// Where the members of a group are.
    pub(crate) fn group_key(&self, group: &GroupName) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// What is published for a group, with the layer that publishes.
    pub(crate) fn group_topic(&self, group: &GroupName) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    /// Who has taken the turn of a name; a key of our own.
    pub(crate) fn lease_key(&self, name: &str) -> String {
        format!("{}:narrowboat:turn:{name}", self.prefix)
    }

    /// What a process writes to see that a server has kept its data; a key of our own.
    pub(crate) fn marker_key(&self, process: &ProcessId) -> String {
        format!("{}{process}", self.marker_prefix())
    }

    /// What the markers of all processes begin with.
    pub(crate) fn marker_prefix(&self) -> String {
        format!("{}:narrowboat:written:", self.prefix)
    }

    /// The shard of a group's bare name, a place or a published name.
    pub(crate) fn shard(&self, name: &str) -> usize {
        shard(name, self.shard_count)
    }
}

/// channels_redis, `utils.py`, `_consistent_hash`.
fn shard(name: &str, shards: usize) -> usize {
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
    fn names_are_spread_over_hosts_as_channels_redis_spreads_them() {
        let shards = |name| [1, 2, 3, 10].map(|n| shard(name, n));
        assert_eq!(shards("test-group"), [0, 1, 2, 8]);
        assert_eq!(shards("chat_lobby"), [0, 1, 1, 5]);
    }

    #[test]
    fn only_another_tenants_keys_carry_its_name() {
        let group: GroupName = "g".parse().unwrap();
        let own = RedisKeys::new("asgi", &Tenant::default_tenant(), 1);
        assert_eq!(own.group_key(&group), "asgi:group:g");
        assert_eq!(own.messages("specific.a!"), "asgispecific.a!");
        let other = RedisKeys::new("asgi", &"acme".parse().unwrap(), 1);
        assert_eq!(other.group_key(&group), "asgi@acme@:group:g");
    }
}
