//! The open-file limit, which thousands of sockets need raised.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the open-file limit of this process as far as it may go.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised shows as a connection that cannot be opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
