//! The recipient of a message.

use narrowboat_core::name::{ChannelName, GroupName};

/// The recipient of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// The members of a group.
    Group(&'a GroupName),
    /// The reader of a channel.
    Channel(&'a ChannelName),
}
