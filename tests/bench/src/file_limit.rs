//! The limit of open files. Thousands of sockets need a higher limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the open-file limit of this process to its hard limit.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, a later connection fails with an error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
