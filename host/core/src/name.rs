//! Names of tenants, channels and groups, checked once where they enter.
//!
//! The rule is that of Django Channels (`channels/layers.py`, `valid_channel_name` and `valid_group_name`): ASCII
//! letters, digits, `.`, `_` and `-`, fewer than 100 characters; a channel may have one `!` after its first part.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name in characters: Channels asks for fewer than 100.
pub const MAX_NAME_LEN: usize = 99;

/// How much of a refused name an error repeats, in characters.
const EXCERPT_LEN: usize = 40;

/// Why a name was refused. The name is repeated shortened and escaped, so that it can be logged as it is; positions
/// are in bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name has at least one character.
    #[error("a name is empty")]
    Empty,
    /// The name has more than [`MAX_NAME_LEN`] characters.
    #[error("the name \"{name}\" of {len} bytes is longer than {MAX_NAME_LEN} characters")]
    TooLong {
        /// The beginning of the name, escaped.
        name: String,
        /// The length of the whole name in bytes.
        len: usize,
    },
    /// A character is not an ASCII letter, digit, `.`, `_` or `-`.
    #[error(
        "the name \"{name}\" has {character:?} at byte {position}; ASCII letters, digits, '.', '_' and '-' are allowed"
    )]
    BadCharacter {
        /// The beginning of the name, escaped.
        name: String,
        /// The first character that is not allowed.
        character: char,
        /// Where it stands.
        position: usize,
    },
    /// A `!` stands where none may be: at the start of a channel's name, for a second time, or in a name that is not
    /// a channel's.
    #[error(
        "the name \"{name}\" has a '!' at byte {position}; only a channel may have one, once, after its first part"
    )]
    MisplacedSeparator {
        /// The beginning of the name, escaped.
        name: String,
        /// Where it stands.
        position: usize,
    },
}

fn excerpt(name: &str) -> String {
    let shown: String = name.chars().take(EXCERPT_LEN).flat_map(char::escape_default).collect();
    if name.chars().nth(EXCERPT_LEN).is_some() { shown + "…" } else { shown }
}

/// Checks `name`, whose `!` may stand where `separator_allowed` says for a position.
fn check_name(name: &str, separator_allowed: fn(&str, usize) -> bool) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().nth(MAX_NAME_LEN).is_some() {
        return Err(NameError::TooLong { name: excerpt(name), len: name.len() });
    }
    for (position, character) in name.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => {}
            '!' if separator_allowed(name, position) => {}
            '!' => {
                return Err(NameError::MisplacedSeparator { name: excerpt(name), position });
            }
            _ => {
                return Err(NameError::BadCharacter { name: excerpt(name), character, position });
            }
        }
    }
    Ok(())
}

fn no_separator(_name: &str, _position: usize) -> bool {
    false
}

fn channel_separator(name: &str, position: usize) -> bool {
    position > 0 && name.find('!') == Some(position)
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $separator:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                check_name(name, $separator)?;
                Ok(Self(name.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(name: &str) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

name_type! {
    /// A closed world of plugins, routes, channels, groups and quotas. Tenants come from the operator's
    /// configuration, never from a client or a guest. A clone shares the text.
    Tenant, no_separator
}

name_type! {
    /// The name of a channel: `[A-Za-z0-9._-]+(![A-Za-z0-9._-]*)?`, at most 99 characters. A clone shares the text.
    ChannelName, channel_separator
}

name_type! {
    /// The name of a group: `[A-Za-z0-9._-]+`, at most 99 characters. A clone shares the text.
    GroupName, no_separator
}

impl Tenant {
    /// The tenant that there is without any configuration: `default`.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// Whether this is the tenant that there is without any configuration.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "default"
    }

    /// What the log calls one of its plugins: by its name alone, or after the tenant's and a slash.
    #[must_use]
    pub fn plugin_label(&self, plugin: &str) -> String {
        if self.is_default() { plugin.to_owned() } else { format!("{self}/{plugin}") }
    }
}

impl Tenant {
    /// What the command line is told to name one of its plugins.
    #[must_use]
    pub fn arguments(&self, plugin: &str) -> String {
        if self.is_default() { plugin.to_owned() } else { format!("--tenant {self} {plugin}") }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::default_tenant()
    }
}

impl ChannelName {
    /// A name that nobody else has, `specific.{process}!{32 hex digits}`, shaped as channels_redis shapes its own.
    /// Its 128 random bits come from a cryptographic generator, so that it cannot be guessed.
    #[must_use]
    pub fn unique(process: &ProcessId) -> Self {
        Self(format!("specific.{process}!{:032x}", rand::random::<u128>()).into())
    }

    /// The part that says where its messages are kept: up to the `!`, that included, or all of it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.find('!').map_or(&self.0, |separator| &self.0[..=separator])
    }

    /// Whether the name has a `!`, as the channels have that belong to one process and end with their mailbox.
    #[must_use]
    pub fn is_process_local(&self) -> bool {
        self.0.contains('!')
    }
}

/// Which process a unique channel belongs to: a random UUID of version 8, written as 32 hexadecimal digits. Processes of
/// channels_redis have UUIDs of version 4, so a name tells the one kind from the other (RFC 9562, sections 5.4 and
/// 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId(u128);

/// Where a UUID says its version and its variant, and what is said there.
const UUID_VERSION_VARIANT_MASK: u128 = 0xf << 76 | 0b11 << 62;
const VERSION_8: u128 = 0x8 << 76 | 0b10 << 62;

impl ProcessId {
    /// A fresh identity, drawn once when a layer starts.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random::<u128>() & !UUID_VERSION_VARIANT_MASK | VERSION_8)
    }

    /// Whether a unique channel, by its name or the part of it up to the `!`, is one that
    /// [`ChannelName::unique`] made in some process.
    #[must_use]
    pub fn is_narrowboat_channel(channel: &str) -> bool {
        let digits = channel.strip_prefix("specific.").and_then(|rest| rest.get(..33));
        let Some(digits) = digits.and_then(|digits| digits.strip_suffix('!')) else { return false };
        let lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        lower
            && u128::from_str_radix(digits, 16)
                .is_ok_and(|id| id & UUID_VERSION_VARIANT_MASK == VERSION_8)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests;
