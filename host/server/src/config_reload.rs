//! From a configuration that was read anew to tenants as it wants them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::host::HostError;
use super::tenant_registry::ReloadReport;
use super::tenant_runtime::RetiredParts;
use super::{SHUTDOWN_EXTRA_GRACE, Server};
use narrowboat_config::{Config, ConfigError};
use narrowboat_core::close_frame::{CloseFrame, code};
use narrowboat_core::name::Tenant;
use narrowboat_runtime::{Plugin, run_on_dedicated_thread};

/// What the connections of a plugin are told that is served anew.
const RELOADED_REASON: &str = "plugin reloaded";

/// What those of a plugin are told to which nothing leads any more.
const REMOVED_REASON: &str = "route removed";

/// Whether the configuration is to be read anew.
#[derive(Debug, Default)]
pub(super) struct ConfigReloadTrigger {
    notify: Notify,
    /// Even if the file says what it said: something else is other than it was.
    is_forced: AtomicBool,
}

/// Why a configuration that was read anew is not followed. All goes on as it was.
#[derive(Debug, Error)]
pub(super) enum ConfigReloadError {
    /// There is no file to read.
    #[error("this host's configuration is not read again while it runs")]
    NoFile,
    /// It is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be followed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A defect of the host.
    #[error("the task that follows the configuration has failed; the log says why")]
    TaskPanicked,
}

impl ConfigReloadTrigger {
    /// Has it read, and followed if it says something new.
    pub(super) fn request_if_changed(&self) {
        self.notify.notify_one();
    }

    /// Has it read and followed.
    pub(super) fn request(&self) {
        self.is_forced.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }
}

/// Reads the configuration whenever that is wanted, for ever.
pub(super) async fn run(server: Arc<Server>) {
    loop {
        server.config_reload.notify.notified().await;
        let anyway = server.config_reload.is_forced.swap(false, Ordering::SeqCst);
        match reload(&server, anyway).await {
            Ok(changes) => changes.log(),
            Err(ConfigReloadError::NoFile) => {}
            Err(error) => tracing::error!("{error}; all goes on as it was"),
        }
    }
}

/// Reads the configuration and follows it; if not `anyway`, only if it says something new. Goes on to its end if it is
/// dropped: whoever asked may be gone, and half of a configuration is none.
///
/// # Errors
/// What is wrong with it; nothing has changed then.
pub(super) async fn reload(
    server: &Arc<Server>,
    anyway: bool,
) -> Result<ReloadReport, ConfigReloadError> {
    let following = tokio::spawn(reload_to_completion(Arc::clone(server), anyway));
    following.await.unwrap_or(Err(ConfigReloadError::TaskPanicked))
}

async fn reload_to_completion(
    server: Arc<Server>,
    anyway: bool,
) -> Result<ReloadReport, ConfigReloadError> {
    let now = server.host.config();
    let Some(file) = now.file.clone() else { return Err(ConfigReloadError::NoFile) };
    let read =
        run_on_dedicated_thread(move || Config::load(&file)).await.ok_or(HostError::NoThread)??;
    if !anyway && read.digest == now.digest {
        return Ok(ReloadReport::default());
    }
    let remarks = read.warnings();
    let (changes, left) = server.host.apply_config(read).await?;
    for RetiredParts { plugins: served, workers } in left {
        for served in served {
            server.close_plugin_connections(served.rollout.plugin());
        }
        let end = Instant::now() + SHUTDOWN_EXTRA_GRACE;
        tokio::spawn(async move {
            for worker in workers {
                worker.wait_until_done(end).await;
            }
        });
    }
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    Ok(changes)
}

impl Server {
    /// Closes the connections of a plugin to which nothing leads any more.
    fn close_plugin_connections(&self, plugin: &Arc<Plugin>) {
        let farewell = self.retire_close_frame(plugin);
        let open = self.connections.connections().into_iter();
        for open in open.filter(|open| Arc::ptr_eq(&open.plugin, plugin)) {
            open.handle.outbound.close(farewell.clone());
        }
    }

    /// What the connections of a plugin are told to which nothing leads any more.
    pub(super) fn retire_close_frame(&self, plugin: &Plugin) -> CloseFrame {
        let world = self.host.tenants().get(&plugin.tenant);
        let is_back = world.is_some_and(|world| world.rollout(&plugin.name).is_some());
        let (code, reason) = if is_back {
            (code::SERVICE_RESTART, RELOADED_REASON)
        } else {
            (code::GOING_AWAY, REMOVED_REASON)
        };
        CloseFrame::new(code, reason)
    }
}

impl ReloadReport {
    /// One line a kind of change.
    pub(super) fn log(&self) {
        let kinds = [("new", &self.added), ("changed", &self.changed), ("gone", &self.removed)];
        for (what, tenants) in kinds {
            if !tenants.is_empty() {
                let names: Vec<_> = tenants.iter().map(Tenant::as_str).collect();
                tracing::info!("tenants that are {what}: {}", names.join(", "));
            }
        }
        if !self.restart_required.is_empty() {
            let keys = self.restart_required.join(", ");
            tracing::warn!(
                "{keys}: what the configuration says of this now, a restart will follow"
            );
        }
    }
}
