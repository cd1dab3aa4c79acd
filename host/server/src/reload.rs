//! Changes while the host runs: the configuration, components, certificates and keys.

mod component_follower;
pub(crate) mod component_watch;
mod config_reloader;
mod file_poller;
mod secret_watch;
mod settings_notices;
mod settled_file;
mod source_watcher;

pub(crate) use config_reloader::{ConfigReloadError, ConfigReloader};
pub(crate) use file_poller::poll_files;
pub(crate) use secret_watch::run as watch_secrets;
pub(crate) use settings_notices::{run as watch_settings, tell_consumers};
