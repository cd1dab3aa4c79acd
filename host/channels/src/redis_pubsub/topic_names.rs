//! Names and hosts of topics.

use crate::redis_common::RedisKeys;
use narrowboat_core::name::{ChannelName, GroupName, NameError, Tenant};

/// The names and hosts of one tenant's topics.
pub(super) struct TopicNames {
    keys: RedisKeys,
    /// The configured prefix.
    prefix: String,
    /// The prefix of the topics of this tenant's channels. Empty for the tenant `default`.
    tenant_prefix: String,
    /// The prefix of the names of this process's channels.
    own_channel_prefix: String,
}

/// The recipient of a published message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicTarget<'a> {
    Group(&'a str),
    Channel(&'a str),
}

/// The number of hexadecimal digits of the process in a channel's name.
const PROCESS_HEX_DIGITS: usize = 16;

impl TopicNames {
    pub(super) fn new(prefix: &str, tenant: &Tenant, shards: usize, process: u64) -> Self {
        let keys = RedisKeys::new(prefix, tenant, shards);
        let tenant_prefix =
            if tenant.is_default() { String::new() } else { keys.prefix().to_owned() };
        // A configured prefix may contain `:`, which a channel's name must not.
        let name_prefix = if prefix.contains(':') { "asgi" } else { prefix };
        let own_channel_prefix = format!("{name_prefix}specific.{process:016x}");
        Self { keys, prefix: prefix.to_owned(), tenant_prefix, own_channel_prefix }
    }

    /// Creates a unique channel name. It has 32 hexadecimal digits, of which the first half identifies the process.
    pub(super) fn new_channel_name(&self) -> Result<ChannelName, NameError> {
        format!("{}{:016x}", self.own_channel_prefix, rand::random::<u64>()).parse()
    }

    /// Whether this process created a name.
    pub(super) fn is_own_channel(&self, name: &str) -> bool {
        name.starts_with(&self.own_channel_prefix)
    }

    /// Whether some process created a name: this one, another host or one with channels_redis.
    pub(super) fn is_unique_channel(&self, name: &str) -> bool {
        let common_prefix =
            &self.own_channel_prefix[..self.own_channel_prefix.len() - PROCESS_HEX_DIGITS];
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = name.strip_prefix(common_prefix);
        digits.is_some_and(|digits| {
            digits.len() == 2 * PROCESS_HEX_DIGITS && digits.bytes().all(is_digit)
        })
    }

    /// Whether a message to the channel would reach a group, since their topics are the same.
    pub(super) fn is_group_topic(&self, channel: &ChannelName) -> bool {
        let (_, topic) = self.channel_topic(channel);
        matches!(self.parse(&topic), Some(TopicTarget::Group(_)))
    }

    /// Returns the pattern for all channels that this process created.
    pub(super) fn own_channel_pattern(&self) -> String {
        format!("{}{}*", self.tenant_prefix, self.own_channel_prefix)
    }

    /// Returns the server and topic of a channel.
    pub(super) fn channel_topic(&self, name: &ChannelName) -> (usize, String) {
        let topic = format!("{}{name}", self.tenant_prefix);
        (self.keys.shard_of(&topic), topic)
    }

    /// Returns the servers and topics of a group's messages and of its frames. Only Narrowboat's processes subscribe to
    /// the frames.
    pub(super) fn group_topics(&self, group: &GroupName) -> [(usize, String); 2] {
        let messages = self.keys.group_topic(group);
        let shard = self.keys.shard_of(&messages);
        [(shard, messages), (shard, format!("{}__narrowboat__{group}", self.keys.prefix()))]
    }

    /// Returns the server and key of a lease.
    pub(super) fn lease_key(&self, name: &ChannelName) -> (usize, String) {
        (self.keys.shard_of(name.as_str()), self.keys.lease_key(name.as_str()))
    }

    /// Returns the recipient of a topic, or `None` if the topic belongs to another tenant.
    pub(super) fn parse<'a>(&self, topic: &'a str) -> Option<TopicTarget<'a>> {
        if let Some(rest) = topic.strip_prefix(self.keys.prefix()) {
            let group = rest.strip_prefix("__group__").or(rest.strip_prefix("__narrowboat__"));
            if let Some(group) = group {
                return Some(TopicTarget::Group(group));
            }
        }
        let is_of_other_tenant =
            self.tenant_prefix.is_empty() && topic.starts_with(&format!("{}@", self.prefix));
        let name = topic.strip_prefix(&self.tenant_prefix).filter(|_| !is_of_other_tenant)?;
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
    fn topics_have_the_names_of_channels_redis() {
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
    fn unique_channel_names_are_recognized() {
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
    fn channel_named_like_a_group_topic_is_recognized() {
        let is_group = |tenant, name: &str| topics(tenant).is_group_topic(&name.parse().unwrap());
        for name in ["asgi__group__g", "asgi__narrowboat__g"] {
            assert!(is_group("default", name) && !is_group("acme", name), "{name}");
        }
        assert!(is_group("acme", "__group__g") && !is_group("default", "__group__g"));
        assert!(!is_group("acme", "worker") && !is_group("default", "worker"));
    }

    #[test]
    fn tenant_receives_only_its_own_topics() {
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
