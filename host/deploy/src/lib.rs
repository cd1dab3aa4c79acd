//! From a source or an upload to a live version: building components, watching files, keeping versions and rolling them
//! out.

pub mod packaging;
pub mod swap;
pub mod versions;
pub mod watch;
pub mod workshop;
