//! The capabilities that a plugin requests, and what its operator grants. Whatever stands here it cannot do without both; the keys are
//! the same on either side.

mod capability_flag;
mod http_destination_list;
mod http_destination_pattern;
mod name_pattern;
mod name_pattern_list;

use std::fmt;

use serde::Deserialize;

pub use capability_flag::CapabilityFlag;
pub use name_pattern::{InvalidNamePattern, NamePattern};

use crate::name::{ChannelName, GroupName};
use crate::origin::HttpTarget;
use http_destination_list::HttpDestinationList;
use name_pattern_list::NamePatternList;

/// Things that a plugin cannot do unless its manifest requests them and its operator grants them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "RawCapabilities")]
pub struct Capabilities {
    groups: NamePatternList,
    channels: NamePatternList,
    http: HttpDestinationList,
    flags: Vec<CapabilityFlag>,
}

/// The same as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawCapabilities {
    groups: NamePatternList,
    channels: NamePatternList,
    log: bool,
    clocks: bool,
    random: bool,
    keyvalue: bool,
    http: HttpDestinationList,
    private_addresses: bool,
}

impl From<RawCapabilities> for Capabilities {
    fn from(raw: RawCapabilities) -> Self {
        let RawCapabilities {
            groups,
            channels,
            log,
            clocks,
            random,
            keyvalue,
            http,
            private_addresses,
        } = raw;
        let wanted = |power: &CapabilityFlag| match power {
            CapabilityFlag::Log => log,
            CapabilityFlag::Clocks => clocks,
            CapabilityFlag::Random => random,
            CapabilityFlag::Keyvalue => keyvalue,
            CapabilityFlag::PrivateAddresses => private_addresses,
        };
        let powers = CapabilityFlag::ALL.into_iter().filter(wanted).collect();
        Self { groups, channels, http, flags: powers }
    }
}

impl Capabilities {
    /// Whether a group may be joined, left and sent to. Allocates nothing: frames wait for it.
    #[must_use]
    pub fn allows_group(&self, group: &GroupName) -> bool {
        self.groups.matches_name(group.as_str())
    }

    /// Whether a channel may be sent to, and made a member of groups. Those of connections always may, whatever this says.
    #[must_use]
    pub fn allows_channel(&self, channel: &ChannelName) -> bool {
        self.channels.matches_name(channel.as_str())
    }

    /// Whether a request may be sent there, if there is an address that it may reach.
    #[must_use]
    pub fn allows_http_target(&self, target: &HttpTarget) -> bool {
        self.http.matches_target(target)
    }

    /// Whether there is any host that requests may be sent to.
    #[must_use]
    pub fn has_http(&self) -> bool {
        !self.http.is_empty()
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has_flag(&self, power: CapabilityFlag) -> bool {
        self.flags.contains(&power)
    }

    /// Whether with them a call may wait for what is not of this process. Such calls keep off the sockets' threads.
    #[must_use]
    pub fn may_wait_on_io(&self) -> bool {
        self.has_flag(CapabilityFlag::Keyvalue) || self.has_http()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = self.groups.is_empty() && self.channels.is_empty() && self.http.is_empty();
        lists && self.flags.is_empty()
    }

    /// What of `asked` these do not cover. It may be more than is lacking, where it takes several patterns to cover one,
    /// and is never less.
    #[must_use]
    pub fn missing_for(&self, asked: &Self) -> Self {
        let powers = asked.flags.iter().copied().filter(|power| !self.has_flag(*power));
        Self {
            groups: self.groups.missing_for(&asked.groups),
            channels: self.channels.missing_for(&asked.channels),
            http: self.http.missing_for(&asked.http),
            flags: powers.collect(),
        }
    }

    /// Each of them in words, such as `groups "room.*"`.
    #[must_use]
    pub fn descriptions(&self) -> Vec<String> {
        let names = self.pattern_lists().into_iter().flat_map(|(key, patterns)| {
            patterns.into_iter().map(move |pattern| format!("{key} {pattern}"))
        });
        names.chain(self.flags.iter().map(|power| power.key().to_owned())).collect()
    }

    /// The lines of TOML that these would have to have to cover what they lack, each key with all that it had.
    #[must_use]
    pub fn toml_lines_with(&self, lacking: &Self) -> Vec<String> {
        let lists = self.pattern_lists().into_iter().zip(lacking.pattern_lists());
        let lists = lists.filter(|(_, (_, lacking))| !lacking.is_empty());
        let lists = lists.map(|((key, own), (_, lacking))| {
            let patterns: Vec<_> = own.into_iter().chain(lacking).collect();
            format!("{key} = [{}]", patterns.join(", "))
        });
        let powers = lacking.flags.iter().map(|power| format!("{} = true", power.key()));
        lists.chain(powers).collect()
    }

    /// Those that are lists, as they are written in TOML.
    fn pattern_lists(&self) -> [(&'static str, Vec<String>); 3] {
        fn all<T: fmt::Display>(patterns: impl Iterator<Item = T>) -> Vec<String> {
            patterns.map(|pattern| pattern.to_string()).collect()
        }
        [
            ("groups", all(self.groups.iter())),
            ("channels", all(self.channels.iter())),
            ("http", all(self.http.iter())),
        ]
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.descriptions().join(", "))
    }
}

/// Words of [`Capabilities::words`] as what comes on top of others, such as `+ groups "admin.*", + random`.
#[must_use]
pub fn format_missing(words: &[String]) -> String {
    words.iter().map(|word| format!("+ {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Capabilities {
        toml::from_str(text).unwrap()
    }

    fn reaches(capabilities: &Capabilities, group: &str, channel: &str) -> (bool, bool) {
        let (group, channel) = (group.parse().unwrap(), channel.parse().unwrap());
        (capabilities.allows_group(&group), capabilities.allows_channel(&channel))
    }

    #[test]
    fn nothing_is_had_that_is_not_written() {
        let none = Capabilities::default();
        assert_eq!(none, read("log = false\ngroups = []"));
        assert!(none.is_empty());
        assert_eq!(reaches(&none, "room", "jobs"), (false, false));
        assert!(CapabilityFlag::ALL.into_iter().all(|power| !none.has_flag(power)));
    }

    #[test]
    fn groups_and_channels_are_told_apart() {
        let some = read("groups = [\"room.*\"]\nchannels = [\"jobs\"]");
        assert_eq!(reaches(&some, "room.red", "jobs"), (true, true));
        assert_eq!(reaches(&some, "jobs", "room.red"), (false, false));
    }

    #[test]
    fn what_is_lacking_is_told_in_words_and_in_lines() {
        let granted = read("groups = [\"lobby\"]\nlog = true");
        let asked = read(
            "groups = [\"room.*\", \"lobby\"]\nchannels = [\"jobs\"]\nlog = true\nrandom = true",
        );
        let lacking = granted.missing_for(&asked);
        assert_eq!(lacking.to_string(), "groups \"room.*\", channels \"jobs\", random");
        assert_eq!(
            granted.toml_lines_with(&lacking),
            ["groups = [\"lobby\", \"room.*\"]", "channels = [\"jobs\"]", "random = true"]
        );
        assert_eq!(
            format_missing(&granted.missing_for(&read("clocks = true")).descriptions()),
            "+ clocks"
        );
        assert!(asked.missing_for(&granted).is_empty());
    }

    #[test]
    fn hosts_of_requests_are_lists_too() {
        let granted = read("http = [\"https://.example.com\"]");
        let asked =
            read("http = [\"https://api.example.com\", \"b.org\"]\nprivate_addresses = true");
        let lacking = granted.missing_for(&asked);
        assert_eq!(lacking.to_string(), "http \"b.org\", private_addresses");
        assert_eq!(
            granted.toml_lines_with(&lacking),
            ["http = [\"https://.example.com\", \"b.org\"]", "private_addresses = true"]
        );
        assert!(
            asked.may_wait_on_io() && !granted.is_empty() && !read("log = true").may_wait_on_io()
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<Capabilities>("file = true").unwrap_err().to_string();
        assert!(error.contains("`groups`") && error.contains("`random`"), "{error}");
    }
}
