use std::env;

#[cfg(unix)]
use super::remote::RemoteHost;
use super::{
    backend::Backend,
    host::Host,
    native::{NativeHost, PluginCode},
};
use crate::{consumer::Consumer, worker::Worker};

/// The variable with the path of the Unix socket on which `narrowboat test` serves hosts.
const TEST_HOST_VARIABLE: &str = "NARROWBOAT_TEST_HOST";

/// Creates a [`Host`].
///
/// Under `narrowboat test` the plugin is the component in the sandbox: its exports, its manifest and the configuration
/// replace the settings of this builder.
#[derive(Default)]
pub struct HostBuilder {
    code: PluginCode,
}

impl HostBuilder {
    /// Sets the type of the plugin's consumers.
    #[must_use]
    pub fn consumer<C: Consumer>(mut self) -> Self {
        self.code.set_consumer::<C>();
        self
    }

    /// Adds a worker for the messages of a channel.
    #[must_use]
    pub fn worker<W: Worker>(mut self, channel: &str) -> Self {
        self.code.add_worker::<W>(channel);
        self
    }

    /// Lets all consumers share one instance, as `isolation = "shared"` in the manifest does. Without it, each
    /// connection has an instance of its own, and a static of `thread_local!` has one value in each.
    #[must_use]
    pub fn shared_instance(mut self) -> Self {
        self.code.share_instance();
        self
    }

    /// Creates the host.
    ///
    /// # Panics
    /// Under `narrowboat test`, if its host does not answer.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Host {
        match env::var_os(TEST_HOST_VARIABLE) {
            Some(path) => Host::with_backend(connect(path.as_ref())),
            None => Host::with_backend(Backend::Native(Box::new(NativeHost::new(self.code)))),
        }
    }
}

#[cfg(unix)]
#[track_caller]
fn connect(path: &std::path::Path) -> Backend {
    Backend::Remote(super::failure::expect(RemoteHost::connect(path)))
}

#[cfg(not(unix))]
#[track_caller]
fn connect(_: &std::path::Path) -> Backend {
    panic!(
        "{TEST_HOST_VARIABLE} needs Unix sockets; run the tests with `cargo test` on this system"
    );
}
