//! What a plugin asks for, and what its operator grants. Whatever stands here it cannot do without both; the keys are
//! the same on either side.

mod destination;
mod destinations;
mod pattern;
mod patterns;
mod power;

use std::fmt;

use serde::Deserialize;

pub use pattern::{NotAPattern, Pattern};
pub use power::Power;

use crate::name::{ChannelName, GroupName};
use crate::origin::Target;
use destinations::Destinations;
use patterns::Patterns;

/// Things that a plugin cannot do unless its manifest asks for them and its operator grants them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Raw")]
pub struct Capabilities {
    groups: Patterns,
    channels: Patterns,
    http: Destinations,
    powers: Vec<Power>,
}

/// The same as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    groups: Patterns,
    channels: Patterns,
    log: bool,
    clocks: bool,
    random: bool,
    keyvalue: bool,
    http: Destinations,
    private_addresses: bool,
}

impl From<Raw> for Capabilities {
    fn from(raw: Raw) -> Self {
        let Raw { groups, channels, log, clocks, random, keyvalue, http, private_addresses } = raw;
        let wanted = |power: &Power| match power {
            Power::Log => log,
            Power::Clocks => clocks,
            Power::Random => random,
            Power::Keyvalue => keyvalue,
            Power::PrivateAddresses => private_addresses,
        };
        let powers = Power::ALL.into_iter().filter(wanted).collect();
        Self { groups, channels, http, powers }
    }
}

impl Capabilities {
    /// Whether a group may be joined, left and sent to. Allocates nothing: frames wait for it.
    #[must_use]
    pub fn reach_group(&self, group: &GroupName) -> bool {
        self.groups.match_name(group.as_str())
    }

    /// Whether a channel may be sent to, and made a member of groups. Those of connections always may, whatever this says.
    #[must_use]
    pub fn reach_channel(&self, channel: &ChannelName) -> bool {
        self.channels.match_name(channel.as_str())
    }

    /// Whether a request may be sent there, if there is an address that it may reach.
    #[must_use]
    pub fn reach_host(&self, target: &Target) -> bool {
        self.http.match_target(target)
    }

    /// Whether there is any host that requests may be sent to.
    #[must_use]
    pub fn reach_hosts(&self) -> bool {
        !self.http.is_empty()
    }

    /// Whether it is among them.
    #[must_use]
    pub fn have(&self, power: Power) -> bool {
        self.powers.contains(&power)
    }

    /// Whether with them a call may wait for what is not of this process. Such calls keep off the sockets' threads.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.have(Power::Keyvalue) || self.reach_hosts()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = self.groups.is_empty() && self.channels.is_empty() && self.http.is_empty();
        lists && self.powers.is_empty()
    }

    /// What of `asked` these do not cover. It may be more than is lacking, where it takes several patterns to cover one,
    /// and is never less.
    #[must_use]
    pub fn lacking(&self, asked: &Self) -> Self {
        let powers = asked.powers.iter().copied().filter(|power| !self.have(*power));
        Self {
            groups: self.groups.lacking(&asked.groups),
            channels: self.channels.lacking(&asked.channels),
            http: self.http.lacking(&asked.http),
            powers: powers.collect(),
        }
    }

    /// Each of them in words, such as `groups "room.*"`.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let names = self.lists().into_iter().flat_map(|(key, patterns)| {
            patterns.into_iter().map(move |pattern| format!("{key} {pattern}"))
        });
        names.chain(self.powers.iter().map(|power| power.key().to_owned())).collect()
    }

    /// The lines of TOML that these would have to have to cover what they lack, each key with all that it had.
    #[must_use]
    pub fn lines_with(&self, lacking: &Self) -> Vec<String> {
        let lists = self.lists().into_iter().zip(lacking.lists());
        let lists = lists.filter(|(_, (_, lacking))| !lacking.is_empty());
        let lists = lists.map(|((key, own), (_, lacking))| {
            let patterns: Vec<_> = own.into_iter().chain(lacking).collect();
            format!("{key} = [{}]", patterns.join(", "))
        });
        let powers = lacking.powers.iter().map(|power| format!("{} = true", power.key()));
        lists.chain(powers).collect()
    }

    /// Those that are lists, as they are written in TOML.
    fn lists(&self) -> [(&'static str, Vec<String>); 3] {
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
        f.write_str(&self.words().join(", "))
    }
}

/// Words of [`Capabilities::words`] as what comes on top of others, such as `+ groups "admin.*", + random`.
#[must_use]
pub fn on_top(words: &[String]) -> String {
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
        (capabilities.reach_group(&group), capabilities.reach_channel(&channel))
    }

    #[test]
    fn nothing_is_had_that_is_not_written() {
        let none = Capabilities::default();
        assert_eq!(none, read("log = false\ngroups = []"));
        assert!(none.is_empty());
        assert_eq!(reaches(&none, "room", "jobs"), (false, false));
        assert!(Power::ALL.into_iter().all(|power| !none.have(power)));
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
        let lacking = granted.lacking(&asked);
        assert_eq!(lacking.to_string(), "groups \"room.*\", channels \"jobs\", random");
        assert_eq!(
            granted.lines_with(&lacking),
            ["groups = [\"lobby\", \"room.*\"]", "channels = [\"jobs\"]", "random = true"]
        );
        assert_eq!(on_top(&granted.lacking(&read("clocks = true")).words()), "+ clocks");
        assert!(asked.lacking(&granted).is_empty());
    }

    #[test]
    fn hosts_of_requests_are_lists_too() {
        let granted = read("http = [\"https://.example.com\"]");
        let asked =
            read("http = [\"https://api.example.com\", \"b.org\"]\nprivate_addresses = true");
        let lacking = granted.lacking(&asked);
        assert_eq!(lacking.to_string(), "http \"b.org\", private_addresses");
        assert_eq!(
            granted.lines_with(&lacking),
            ["http = [\"https://.example.com\", \"b.org\"]", "private_addresses = true"]
        );
        assert!(asked.may_wait() && !granted.is_empty() && !read("log = true").may_wait());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<Capabilities>("file = true").unwrap_err().to_string();
        assert!(error.contains("`groups`") && error.contains("`random`"), "{error}");
    }
}
