//! Builds components, watches files, stores the versions of plugins and deploys them.

pub mod dev_builder;
mod editor_file;
pub mod packaging;
pub mod rollout;
pub mod versions;
pub mod watch;
