//! From a source or an upload to a live version: building components, watching files, keeping versions and rolling them
//! out.

pub mod dev_builder;
pub mod packaging;
pub mod rollout;
pub mod versions;
pub mod watch;
