//! Capabilities: a plugin has one only if its manifest requests it and its operator grants it. Requests and grants have
//! the same keys.

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

/// A set of capabilities, requested or granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "RawCapabilities")]
pub struct Capabilities {
    groups: NamePatternList,
    channels: NamePatternList,
    http: HttpDestinationList,
    flags: Vec<CapabilityFlag>,
}

/// The table of capabilities in TOML.
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
        let is_set = |flag: &CapabilityFlag| match flag {
            CapabilityFlag::Log => log,
            CapabilityFlag::Clocks => clocks,
            CapabilityFlag::Random => random,
            CapabilityFlag::Keyvalue => keyvalue,
            CapabilityFlag::PrivateAddresses => private_addresses,
        };
        let flags = CapabilityFlag::ALL.into_iter().filter(is_set).collect();
        Self { groups, channels, http, flags }
    }
}

impl Capabilities {
    /// Whether the plugin may join, leave and send to a group. Allocates nothing, because it runs on the path of frames.
    #[must_use]
    pub fn allows_group(&self, group: &GroupName) -> bool {
        self.groups.matches_name(group.as_str())
    }

    /// Whether the plugin may send to a channel and add it to groups. The caller allows the channels of connections always.
    #[must_use]
    pub fn allows_channel(&self, channel: &ChannelName) -> bool {
        self.channels.matches_name(channel.as_str())
    }

    /// Whether the plugin may send a request to a target. The addresses of the host are checked later.
    #[must_use]
    pub fn allows_http_target(&self, target: &HttpTarget) -> bool {
        self.http.matches_target(target)
    }

    /// Whether the plugin may send requests to any host.
    #[must_use]
    pub fn has_http(&self) -> bool {
        !self.http.is_empty()
    }

    /// Whether the set has a flag.
    #[must_use]
    pub fn has_flag(&self, flag: CapabilityFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// Whether a call with these capabilities may wait for another process. Such calls run on guest threads, not on the
    /// threads of the sockets.
    #[must_use]
    pub fn may_wait_on_io(&self) -> bool {
        self.has_flag(CapabilityFlag::Keyvalue) || self.has_http()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = self.groups.is_empty() && self.channels.is_empty() && self.http.is_empty();
        lists && self.flags.is_empty()
    }

    /// Returns the capabilities of `requested` that this set does not cover. A requested pattern that only several
    /// patterns together would cover counts as missing.
    #[must_use]
    pub fn missing_for(&self, requested: &Self) -> Self {
        let missing_flags = requested.flags.iter().copied().filter(|flag| !self.has_flag(*flag));
        Self {
            groups: self.groups.missing_for(&requested.groups),
            channels: self.channels.missing_for(&requested.channels),
            http: self.http.missing_for(&requested.http),
            flags: missing_flags.collect(),
        }
    }

    /// Describes each capability, such as `groups "room.*"`.
    #[must_use]
    pub fn descriptions(&self) -> Vec<String> {
        let names = self.pattern_lists().into_iter().flat_map(|(key, patterns)| {
            patterns.into_iter().map(move |pattern| format!("{key} {pattern}"))
        });
        names.chain(self.flags.iter().map(|flag| flag.key().to_owned())).collect()
    }

    /// Returns the lines of TOML that add the `missing` capabilities to this set. Each line has the patterns that its key
    /// had before.
    #[must_use]
    pub fn toml_lines_with(&self, missing: &Self) -> Vec<String> {
        let lists = self.pattern_lists().into_iter().zip(missing.pattern_lists());
        let lists = lists.filter(|(_, (_, missing))| !missing.is_empty());
        let lists = lists.map(|((key, own), (_, missing))| {
            let patterns: Vec<_> = own.into_iter().chain(missing).collect();
            format!("{key} = [{}]", patterns.join(", "))
        });
        let flags = missing.flags.iter().map(|flag| format!("{} = true", flag.key()));
        lists.chain(flags).collect()
    }

    /// The keys that have lists of patterns, and their patterns as in TOML.
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

/// Formats [`Capabilities::descriptions`] as additions, such as `+ groups "admin.*", + random`.
#[must_use]
pub fn format_missing(descriptions: &[String]) -> String {
    descriptions.iter().map(|description| format!("+ {description}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Capabilities {
        toml::from_str(text).unwrap()
    }

    fn allows(capabilities: &Capabilities, group: &str, channel: &str) -> (bool, bool) {
        let (group, channel) = (group.parse().unwrap(), channel.parse().unwrap());
        (capabilities.allows_group(&group), capabilities.allows_channel(&channel))
    }

    #[test]
    fn capabilities_default_to_none() {
        let none = Capabilities::default();
        assert_eq!(none, parse("log = false\ngroups = []"));
        assert!(none.is_empty());
        assert_eq!(allows(&none, "room", "jobs"), (false, false));
        assert!(CapabilityFlag::ALL.into_iter().all(|flag| !none.has_flag(flag)));
    }

    #[test]
    fn groups_and_channels_have_separate_patterns() {
        let some = parse("groups = [\"room.*\"]\nchannels = [\"jobs\"]");
        assert_eq!(allows(&some, "room.red", "jobs"), (true, true));
        assert_eq!(allows(&some, "jobs", "room.red"), (false, false));
    }

    #[test]
    fn missing_capabilities_are_described_and_written_as_toml() {
        let granted = parse("groups = [\"lobby\"]\nlog = true");
        let requested = parse(
            "groups = [\"room.*\", \"lobby\"]\nchannels = [\"jobs\"]\nlog = true\nrandom = true",
        );
        let missing = granted.missing_for(&requested);
        assert_eq!(missing.to_string(), "groups \"room.*\", channels \"jobs\", random");
        assert_eq!(
            granted.toml_lines_with(&missing),
            ["groups = [\"lobby\", \"room.*\"]", "channels = [\"jobs\"]", "random = true"]
        );
        assert_eq!(
            format_missing(&granted.missing_for(&parse("clocks = true")).descriptions()),
            "+ clocks"
        );
        assert!(requested.missing_for(&granted).is_empty());
    }

    #[test]
    fn http_destinations_are_a_list_of_patterns() {
        let granted = parse("http = [\"https://.example.com\"]");
        let requested =
            parse("http = [\"https://api.example.com\", \"b.org\"]\nprivate_addresses = true");
        let missing = granted.missing_for(&requested);
        assert_eq!(missing.to_string(), "http \"b.org\", private_addresses");
        assert_eq!(
            granted.toml_lines_with(&missing),
            ["http = [\"https://.example.com\", \"b.org\"]", "private_addresses = true"]
        );
        assert!(
            requested.may_wait_on_io()
                && !granted.is_empty()
                && !parse("log = true").may_wait_on_io()
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<Capabilities>("file = true").unwrap_err().to_string();
        assert!(error.contains("`groups`") && error.contains("`random`"), "{error}");
    }
}
