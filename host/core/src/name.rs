//! Names of tenants, channels and groups. They are checked once, when they enter the host.
//!
//! The rule is that of Django Channels (`channels/layers.py`, `valid_channel_name` and `valid_group_name`): ASCII
//! letters, digits, `.`, `_` and `-`, fewer than 100 characters; a channel may have one `!` after its first part.

mod channel_name;
mod group_name;
mod name_error;
mod name_type;
mod process_id;
mod tenant;

pub use channel_name::ChannelName;
pub use group_name::GroupName;
pub use name_error::{MAX_NAME_LEN, NameError};
pub use process_id::ProcessId;
pub use tenant::Tenant;

#[cfg(test)]
mod tests;
