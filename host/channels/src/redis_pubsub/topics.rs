//! What is published under which name, and on which host.

use crate::redis::keys::Keys;
use narrowboat_core::name::{ChannelName, GroupName, NameError, Tenant};

/// One tenant's topics.
pub(super) struct Topics {
    keys: Keys,
    /// What the operator's prefix is.
    prefix: String,
    /// What stands before the name of a channel of this tenant: nothing for the tenant `default`.
    before: String,
    /// What the names of this process's channels begin with.
    own: String,
}

/// Whom something that was published is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    Group(&'a str),
    Channel(&'a str),
}

/// Hexadecimal digits of a process in a channel's name.
const PROCESS: usize = 16;

impl Topics {
    pub(super) fn new(prefix: &str, tenant: &Tenant, shards: usize, process: u64) -> Self {
        let keys = Keys::new(prefix, tenant, shards);
        let default = *tenant == Tenant::default_tenant();
        let before = if default { String::new() } else { keys.prefix().to_owned() };
        // A prefix is free to have what a channel's name must not.
        let named = if prefix.contains(':') { "asgi" } else { prefix };
        let own = format!("{named}specific.{process:016x}");
        Self { keys, prefix: prefix.to_owned(), before, own }
    }

    /// A name that nobody else has, of 32 hexadecimal digits, of which the first half is the process's.
    pub(super) fn new_channel(&self) -> Result<ChannelName, NameError> {
        format!("{}{:016x}", self.own, rand::random::<u64>()).parse()
    }

    /// Whether a name is one that this process made.
    pub(super) fn is_own(&self, name: &str) -> bool {
        name.starts_with(&self.own)
    }

    /// Whether a name is one that a process makes, this one, another host or one of channels_redis.
    pub(super) fn is_unique(&self, name: &str) -> bool {
        let made = &self.own[..self.own.len() - PROCESS];
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = name.strip_prefix(made);
        digits.is_some_and(|digits| digits.len() == 2 * PROCESS && digits.bytes().all(is_digit))
    }

    /// Whether what is sent to a channel would be heard as what is sent to a group.
    pub(super) fn is_group(&self, channel: &ChannelName) -> bool {
        let (_, topic) = self.channel(channel);
        matches!(self.read(&topic), Some(Heard::Group(_)))
    }

    /// The pattern of all channels that this process made.
    pub(super) fn own_channels(&self) -> String {
        format!("{}{}*", self.before, self.own)
    }

    /// Where messages for a channel are published.
    pub(super) fn channel(&self, name: &ChannelName) -> (usize, String) {
        let topic = format!("{}{name}", self.before);
        (self.keys.shard(&topic), topic)
    }

    /// Where a group's messages are published, and on the same host its frames, of which only other hosts of
    /// Narrowboat know.
    pub(super) fn group(&self, group: &GroupName) -> [(usize, String); 2] {
        let messages = self.keys.group_topic(group);
        let shard = self.keys.shard(&messages);
        [(shard, messages), (shard, format!("{}__narrowboat__{group}", self.keys.prefix()))]
    }

    /// Where the turn of a name is kept.
    pub(super) fn turn(&self, name: &ChannelName) -> (usize, String) {
        (self.keys.shard(name.as_str()), self.keys.turn(name.as_str()))
    }

    /// Whom a topic is for, if it is this tenant's.
    pub(super) fn read<'a>(&self, topic: &'a str) -> Option<Heard<'a>> {
        if let Some(rest) = topic.strip_prefix(self.keys.prefix()) {
            let group = rest.strip_prefix("__group__").or(rest.strip_prefix("__narrowboat__"));
            if let Some(group) = group {
                return Some(Heard::Group(group));
            }
        }
        let others = self.before.is_empty() && topic.starts_with(&format!("{}@", self.prefix));
        let name = topic.strip_prefix(&self.before).filter(|_| !others)?;
        Some(Heard::Channel(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(tenant: &str) -> Topics {
        Topics::new("asgi", &tenant.parse().unwrap(), 1, 7)
    }

    #[test]
    fn topics_are_named_as_channels_redis_names_them() {
        let topics = topics("default");
        let group: GroupName = "g".parse().unwrap();
        let [(_, messages), (_, frames)] = topics.group(&group);
        assert_eq!((messages.as_str(), frames.as_str()), ("asgi__group__g", "asgi__narrowboat__g"));
        let channel = topics.new_channel().unwrap();
        assert_eq!(channel.as_str().len(), "asgispecific.".len() + 32);
        assert_eq!(topics.channel(&channel).1, channel.as_str());
        assert_eq!(topics.read("asgi__group__g"), Some(Heard::Group("g")));
        assert_eq!(topics.read("worker"), Some(Heard::Channel("worker")));
    }

    #[test]
    fn names_that_a_process_makes_are_told_from_others() {
        let topics = topics("default");
        let own = topics.new_channel().unwrap();
        let django = format!("asgispecific.{:032x}", 1);
        assert!(topics.is_unique(own.as_str()) && topics.is_unique(&django));
        for other in [
            "worker",
            "asgispecific.",
            "specific.1",
            &django[1..],
            &django[..40],
            &format!("{django}0"),
        ] {
            assert!(!topics.is_unique(other), "{other}");
        }
    }

    #[test]
    fn a_channel_may_be_named_as_what_groups_are_published_under() {
        let is_group = |tenant, name: &str| topics(tenant).is_group(&name.parse().unwrap());
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
        let [(_, messages), _] = acme.group(&group);
        let (_, direct) = acme.channel(&channel);
        for topic in [&messages, &direct] {
            assert_eq!(default.read(topic), None, "{topic}");
            assert!(acme.read(topic).is_some(), "{topic}");
        }
        assert_eq!(acme.read("asgi__group__g"), None);
        assert_eq!(acme.read("worker"), None);
    }
}
