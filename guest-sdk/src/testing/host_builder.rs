use std::collections::BTreeMap;
use std::env;

#[cfg(unix)]
use super::remote::RemoteHost;
use super::{
    backend::Backend,
    failure::expect,
    host::Host,
    native::{NativeHost, PluginCode},
};
use crate::{consumer::Consumer, worker::Worker};

/// The variable with the path of the Unix socket on which `narrowboat test` serves hosts.
const TEST_HOST_VARIABLE: &str = "NARROWBOAT_TEST_HOST";

/// Creates a [`Host`].
///
/// Under `narrowboat test` the plugin is the component in the sandbox: its exports, its manifest and the configuration
/// replace the settings of this builder. Only the keys of [`HostBuilder::config`] count there too.
#[derive(Default)]
pub struct HostBuilder {
    code: PluginCode,
    config: BTreeMap<String, Option<String>>,
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

    /// Lets the visitors of each room share one instance, as `isolation = "room"` in the manifest does. `template` is the
    /// manifest's `room`, such as `{room}`: it makes the name of the room of the URL parameters. In `cargo test` a room does not
    /// sleep.
    #[must_use]
    pub fn room(mut self, template: &str) -> Self {
        self.code.share_rooms(template);
        self
    }

    /// Sets a key of the plugin's configuration. Under `narrowboat test`, the keys of `narrowboat.toml` that the test does
    /// not set have their values.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl Into<String>) -> Self {
        self.config.insert(key.to_owned(), Some(value.into()));
        self
    }

    /// Tells consumers that the configuration has changed, as `config_changed = true` in the manifest does: each gets a
    /// message of the type `config.changed`.
    #[must_use]
    pub fn config_changed(mut self) -> Self {
        self.code.tell_config_changes();
        self
    }

    /// Creates the host.
    ///
    /// # Panics
    /// Under `narrowboat test`, if its host does not answer.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Host {
        let mut backend = match env::var_os(TEST_HOST_VARIABLE) {
            Some(path) => connect(path.as_ref()),
            None => Backend::Native(Box::new(NativeHost::new(self.code))),
        };
        if !self.config.is_empty() {
            expect(backend.set_config(self.config));
        }
        Host::with_backend(backend)
    }
}

#[cfg(unix)]
#[track_caller]
fn connect(path: &std::path::Path) -> Backend {
    Backend::Remote(expect(RemoteHost::connect(path)))
}

#[cfg(not(unix))]
#[track_caller]
fn connect(_: &std::path::Path) -> Backend {
    panic!(
        "{TEST_HOST_VARIABLE} needs Unix sockets; run the tests with `cargo test` on this system"
    );
}
