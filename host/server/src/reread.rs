//! From a configuration that was read anew to tenants as it wants them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::host::HostError;
use super::world::Left;
use super::worlds::Changes;
use super::{LAST_WORDS, Server};
use narrowboat_config::{Config, ConfigError};
use narrowboat_core::closure::{Closure, code};
use narrowboat_core::name::Tenant;
use narrowboat_runtime::{Plugin, aside};

/// What the connections of a plugin are told that is served anew.
const ANEW: &str = "this plugin is served anew";

/// What those of a plugin are told to which nothing leads any more.
const GONE: &str = "this is not served here any more";

/// Whether the configuration is to be read anew.
#[derive(Debug, Default)]
pub(super) struct Reread {
    wanted: Notify,
    /// Even if the file says what it said: something else is other than it was.
    anyway: AtomicBool,
}

/// Why a configuration that was read anew is not followed. All goes on as it was.
#[derive(Debug, Error)]
pub(super) enum RereadError {
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
    Failed,
}

impl Reread {
    /// Has it read, and followed if it says something new.
    pub(super) fn look(&self) {
        self.wanted.notify_one();
    }

    /// Has it read and followed.
    pub(super) fn ask(&self) {
        self.anyway.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }
}

/// Reads the configuration whenever that is wanted, for ever.
pub(super) async fn run(server: Arc<Server>) {
    loop {
        server.reread.wanted.notified().await;
        let anyway = server.reread.anyway.swap(false, Ordering::SeqCst);
        match follow(&server, anyway).await {
            Ok(changes) => changes.log(),
            Err(RereadError::NoFile) => {}
            Err(error) => tracing::error!("{error}; all goes on as it was"),
        }
    }
}

/// Reads the configuration and follows it; if not `anyway`, only if it says something new. Goes on to its end if it is
/// dropped: whoever asked may be gone, and half of a configuration is none.
///
/// # Errors
/// What is wrong with it; nothing has changed then.
pub(super) async fn follow(server: &Arc<Server>, anyway: bool) -> Result<Changes, RereadError> {
    let following = tokio::spawn(follow_to_the_end(Arc::clone(server), anyway));
    following.await.unwrap_or(Err(RereadError::Failed))
}

async fn follow_to_the_end(server: Arc<Server>, anyway: bool) -> Result<Changes, RereadError> {
    let now = server.host.config();
    let Some(file) = now.file.clone() else { return Err(RereadError::NoFile) };
    let read = aside(move || Config::load(&file)).await.ok_or(HostError::NoThread)??;
    if !anyway && read.digest == now.digest {
        return Ok(Changes::default());
    }
    let remarks = read.remarks();
    let (changes, left) = server.host.change(read).await?;
    for Left { served, workers } in left {
        for served in served {
            server.close_all(served.swap.plugin());
        }
        let end = Instant::now() + LAST_WORDS;
        tokio::spawn(async move {
            for worker in workers {
                worker.finish(end).await;
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
    fn close_all(&self, plugin: &Arc<Plugin>) {
        let farewell = self.farewell(plugin);
        let open = self.links.open().into_iter();
        for open in open.filter(|open| Arc::ptr_eq(&open.plugin, plugin)) {
            open.link.outbound.close(farewell.clone());
        }
    }

    /// What the connections of a plugin are told to which nothing leads any more.
    pub(super) fn farewell(&self, plugin: &Plugin) -> Closure {
        let world = self.host.worlds().of(&plugin.tenant);
        let is_back = world.is_some_and(|world| world.swap(&plugin.name).is_some());
        let (code, reason) = if is_back { (code::RESTART, ANEW) } else { (code::GOING_AWAY, GONE) };
        Closure::new(code, reason)
    }
}

impl Changes {
    /// One line a kind of change.
    pub(super) fn log(&self) {
        let kinds = [("new", &self.added), ("changed", &self.changed), ("gone", &self.removed)];
        for (what, tenants) in kinds {
            if !tenants.is_empty() {
                let names: Vec<_> = tenants.iter().map(Tenant::as_str).collect();
                tracing::info!("tenants that are {what}: {}", names.join(", "));
            }
        }
        if !self.for_a_start.is_empty() {
            let keys = self.for_a_start.join(", ");
            tracing::warn!(
                "{keys}: what the configuration says of this now, a restart will follow"
            );
        }
    }
}
