//! Names of channels.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::name_error::NameError;
use super::name_type::{check_name, name_type};
use super::process_id::ProcessId;

name_type! {
    /// The name of a channel: `[A-Za-z0-9._-]+(![A-Za-z0-9._-]*)?`, at most 99 characters. A clone shares the text.
    ChannelName, channel_separator
}

impl ChannelName {
    /// Generates a unique name, `specific.{process}!{32 hex digits}`, in the form of channels_redis. Its 128 random bits
    /// come from a cryptographic generator, so that nobody can guess it.
    #[must_use]
    pub fn unique(process: &ProcessId) -> Self {
        Self(format!("specific.{process}!{:032x}", rand::random::<u128>()).into())
    }

    /// The part that decides where messages are kept: up to and including the `!`, or the whole name.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.find('!').map_or(&self.0, |separator| &self.0[..=separator])
    }

    /// Whether the name has a `!`. Such a channel belongs to one process and ends with its mailbox.
    #[must_use]
    pub fn is_process_local(&self) -> bool {
        self.0.contains('!')
    }
}

/// Allows one `!` after the first part of the name.
fn channel_separator(name: &str, position: usize) -> bool {
    position > 0 && name.find('!') == Some(position)
}
