//! The reload of the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::secret_watch::settle_secrets;
use super::settled_file::wait_until_settled;
use crate::connection_registry::ConnectionRegistry;
use crate::host::Host;
use crate::host_error::HostError;
use crate::tenants::{ReloadReport, RetiredParts};
use narrowboat_config::{Config, ConfigError};
use narrowboat_runtime::{Plugin, Sha256Digest, run_on_dedicated_thread};

/// How long workers that are not configured any more may take for their last messages.
const WORKER_GRACE: Duration = Duration::from_secs(1);

/// Reads the configuration again, on request, and applies it to the host.
pub(crate) struct ConfigReloader {
    host: Arc<Host>,
    connections: Arc<ConnectionRegistry>,
    requested: Notify,
    /// Whether the next reload applies the configuration even if the file has not changed, because something that it
    /// names has. Stays set until a reload succeeds.
    is_forced: AtomicBool,
}

/// Why a reload failed. The host runs on with the configuration it has.
#[derive(Debug, Error)]
pub(crate) enum ConfigReloadError {
    /// The configuration does not come from a file.
    #[error("this host cannot reload its configuration: it was not read from a file")]
    NoFile,
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host cannot apply the configuration.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The reload panicked, which is a defect of the host.
    #[error("the reload failed because of a defect in the host; see the log")]
    TaskPanicked,
}

impl ConfigReloader {
    /// A reloader of a host with these open connections.
    pub(crate) fn new(host: Arc<Host>, connections: Arc<ConnectionRegistry>) -> Self {
        Self { host, connections, requested: Notify::new(), is_forced: AtomicBool::new(false) }
    }

    /// Requests a reload that applies the configuration only if the file has changed.
    pub(crate) fn request_if_changed(&self) {
        self.requested.notify_one();
    }

    /// Requests a reload that applies the configuration even if the file has not changed.
    pub(crate) fn request(&self) {
        self.is_forced.store(true, Ordering::SeqCst);
        self.requested.notify_one();
    }

    /// Reloads the configuration at each request, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.requested.notified().await;
            let is_forced = self.is_forced.swap(false, Ordering::SeqCst);
            match self.reload(is_forced).await {
                Ok(report) => report.log(),
                Err(ConfigReloadError::NoFile) => {}
                Err(error) => {
                    self.is_forced.fetch_or(is_forced, Ordering::SeqCst);
                    tracing::error!(%error, "cannot reload the configuration; it stays as it was");
                }
            }
        }
    }

    /// Reads the configuration and applies it; without `is_forced` only if the file has changed. The reload goes on if
    /// the future is dropped, so that a configuration is never applied in part.
    ///
    /// # Errors
    /// The problem with the configuration. Nothing has changed then.
    pub(crate) async fn reload(
        self: &Arc<Self>,
        is_forced: bool,
    ) -> Result<ReloadReport, ConfigReloadError> {
        let reload = tokio::spawn(Arc::clone(self).reload_to_completion(is_forced));
        reload.await.unwrap_or(Err(ConfigReloadError::TaskPanicked))
    }

    async fn reload_to_completion(
        self: Arc<Self>,
        is_forced: bool,
    ) -> Result<ReloadReport, ConfigReloadError> {
        settle_secrets(&self.host).await;
        let current = self.host.config();
        let Some(file) = current.file.clone() else { return Err(ConfigReloadError::NoFile) };
        let (digest, secrets) = (current.digest, current.secrets.clone());
        let load = move || {
            wait_until_settled(&file, |text| Sha256Digest::of(text) == digest);
            Config::load_with(&file, &secrets)
        };
        let config = run_on_dedicated_thread(load).await.ok_or(HostError::NoThread)??;
        if !is_forced && config.digest == current.digest {
            return Ok(ReloadReport::default());
        }
        let warnings = config.warnings();
        let (report, retired) = self.host.apply_config(config).await?;
        for RetiredParts { plugins, workers } in retired {
            for served in plugins {
                self.close_plugin_connections(served.rollout.plugin());
            }
            let deadline = Instant::now() + WORKER_GRACE;
            tokio::spawn(async move {
                for worker in workers {
                    worker.wait_until_done(deadline).await;
                }
            });
        }
        for warning in warnings {
            tracing::warn!(%warning, "check the configuration");
        }
        Ok(report)
    }

    /// Closes the connections of a plugin that is not served any more.
    fn close_plugin_connections(&self, plugin: &Arc<Plugin>) {
        let close_frame = self.host.retire_close_frame(plugin);
        let connections = self.connections.connections().into_iter();
        for connection in connections.filter(|open| Arc::ptr_eq(&open.plugin, plugin)) {
            connection.handle.outbound.close(close_frame.clone());
        }
    }
}
