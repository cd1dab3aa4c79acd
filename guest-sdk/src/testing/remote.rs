//! The host of `narrowboat test`, which runs the plugin in the sandbox.

mod operation;
mod remote_host;
mod reply;
mod wire_bytes;

pub(super) use remote_host::RemoteHost;
