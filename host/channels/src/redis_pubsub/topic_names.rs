//! What is published under which name, and on which host.

use crate::redis::redis_keys::RedisKeys;
use narrowboat_core::name::{ChannelName, GroupName, NameError, Tenant};

/// One tenant's topics.
pub(super) struct TopicNames {
    keys: RedisKeys,
    /// What the operator's prefix is.
    prefix: String,
    /// What stands before the name of a channel of this tenant: nothing for the tenant `default`.
    tenant_prefix: String,
    /// What the names of this process's channels begin with.
    own_channel_prefix: String,
}

/// Whom something that was published is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicTarget<'a> {
    Group(&'a str),
    Channel(&'a str),
}

/// Hexadecimal digits of a process in a channel's name.
const PROCESS_HEX_DIGITS: usize = 16;

impl TopicNames {
    pub(super) fn new(prefix: &str, tenant: &Tenant, shards: usize, process: u64) -> Self {
        let keys = RedisKeys::new(prefix, tenant, shards);
        let default = *tenant == Tenant::default_tenant();
        let tenant_prefix = if default { String::new() } else { keys.prefix().to_owned() };
        // A prefix is free to have what a channel's name must not.
        let named = if prefix.contains(':') { "asgi" } else { prefix };
        let own_channel_prefix = format!("{named}specific.{process:016x}");
        Self { keys, prefix: prefix.to_owned(), tenant_prefix, own_channel_prefix }
    }

    /// A name that nobody else has, of 32 hexadecimal digits, of which the first half is the process's.
    pub(super) fn new_channel_name(&self) -> Result<ChannelName, NameError> {
        format!("{}{:016x}", self.own_channel_prefix, rand::random::<u64>()).parse()
    }

    /// Whether a name is one that this process made.
    pub(super) fn is_own_channel(&self, name: &str) -> bool {
        name.starts_with(&self.own_channel_prefix)
    }

    /// Whether a name is one that a process makes, this one, another host or one of channels_redis.
    pub(super) fn is_unique_channel(&self, name: &str) -> bool {
        let made = &self.own_channel_prefix[..self.own_channel_prefix.len() - PROCESS_HEX_DIGITS];
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = name.strip_prefix(made);
        digits.is_some_and(|digits| {
            digits.len() == 2 * PROCESS_HEX_DIGITS && digits.bytes().all(is_digit)
        })
    }

    /// Whether what is sent to a channel would be heard as what is sent to a group.
    pub(super) fn is_group_topic(&self, channel: &ChannelName) -> bool {
        let (_, topic) = self.channel_topic(channel);
        matches!(self.parse(&topic), Some(TopicTarget::Group(_)))
    }

    /// The pattern of all channels that this process made.
    pub(super) fn own_channel_pattern(&self) -> String {
        format!("{}{}*", self.tenant_prefix, self.own_channel_prefix)
    }

    /// Where messages for a channel are published.
    pub(super) fn channel_topic(&self, name: &ChannelName) -> (usize, String) {
        let topic = format!("{}{name}", self.tenant_prefix);
        (self.keys.shard(&topic), topic)
    }

    /// Where a group's messages are published, and on the same host its frames, of which only other hosts of
    /// Narrowboat know.
    pub(super) fn group_topics(&self, group: &GroupName) -> [(usize, String); 2] {
        let messages = self.keys.group_topic(group);
        let shard = self.keys.shard(&messages);
        [(shard, messages), (shard, format!("{}__narrowboat__{group}", self.keys.prefix()))]
    }

    /// Where the turn of a name is kept.
    pub(super) fn lease_key(&self, name: &ChannelName) -> (usize, String) {
        (self.keys.shard(name.as_str()), self.keys.lease_key(name.as_str()))
    }

    /// Whom a topic is for, if it is this tenant's.
    pub(super) fn parse<'a>(&self, topic: &'a str) -> Option<TopicTarget<'a>> {
        if let Some(rest) = topic.strip_prefix(self.keys.prefix()) {
            let group = rest.strip_prefix("__group__").or(rest.strip_prefix("__narrowboat__"));
            if let Some(group) = group {
                return Some(TopicTarget::Group(group));
            }
        }
        let others =
            self.tenant_prefix.is_empty() && topic.starts_with(&format!("{}@", self.prefix));
        let name = topic.strip_prefix(&self.tenant_prefix).filter(|_| !others)?;
        Some(TopicTarget::Channel(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(tenant: &str) -> TopicNames {
        TopicNames::new("asgi", &tenant.parse().unwrap(), 1, 7)
    }

    #[test]
    fn topics_are_named_as_channels_redis_names_them() {
        let topics = topics("default");
        let group: GroupName = "g".parse().unwrap();
        let [(_, messages), (_, frames)] = topics.group_topics(&group);
        assert_eq!((messages.as_str(), frames.as_str()), ("asgi__group__g", "asgi__narrowboat__g"));
        let channel = topics.new_channel_name().unwrap();
        assert_eq!(channel.as_str().len(), "asgispecific.".len() + 32);
        assert_eq!(topics.channel_topic(&channel).1, channel.as_str());
        assert_eq!(topics.parse("asgi__group__g"), Some(TopicTarget::Group("g")));
        assert_eq!(topics.parse("worker"), Some(TopicTarget::Channel("worker")));
    }

    #[test]
    fn names_that_a_process_makes_are_told_from_others() {
        let topics = topics("default");
        let own = topics.new_channel_name().unwrap();
        let django = format!("asgispecific.{:032x}", 1);
        assert!(topics.is_unique_channel(own.as_str()) && topics.is_unique_channel(&django));
        for other in [
            "worker",
            "asgispecific.",
            "specific.1",
            &django[1..],
            &django[..40],
            &format!("{django}0"),
        ] {
            assert!(!topics.is_unique_channel(other), "{other}");
        }
    }

    #[test]
    fn a_channel_may_be_named_as_what_groups_are_published_under() {
        let is_group = |tenant, name: &str| topics(tenant).is_group_topic(&name.parse().unwrap());
        for name in ["asgi__group__g", "asgi__narrowboat__g"] {
            assert!(is_group("default", name) && !is_group("acme", name), "{name}");
        }
        assert!(is_group("acme", "__group__g") && !is_group("default", "__group__g"));
        assert!(!is_group("acme", "worker") && !is_group("default", "worker"));
    }

    #[test]
    fn a_tenant_hears_only_its_own() {
        let (default, acme) = (topics("default"), topics("acme"));
        let group: GroupName = "g".parse().unwrap();
        let channel: ChannelName = "worker".parse().unwrap();
        let [(_, messages), _] = acme.group_topics(&group);
        let (_, direct) = acme.channel_topic(&channel);
        for topic in [&messages, &direct] {
            assert_eq!(default.parse(topic), None, "{topic}");
            assert!(acme.parse(topic).is_some(), "{topic}");
        }
        assert_eq!(acme.parse("asgi__group__g"), None);
        assert_eq!(acme.parse("worker"), None);
    }
}
