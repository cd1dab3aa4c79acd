//! From a file that changed, or got its signature, to an offer of its bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Server;
use super::tenant_runtime::FailedLoad;
use narrowboat_config::WatchMode;
use narrowboat_config::signature::{self, TrustedKeys};
use narrowboat_core::component;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::rollout::{DeploySource, Rollout};
use narrowboat_deploy::watch::Watcher;
use narrowboat_runtime::{Build, run_on_dedicated_thread};

/// How long a file that is no whole component, or is not signed as it has to be, gets to become so:
/// whoever writes it may not be done.
const SETTLE_DELAY: Duration = Duration::from_millis(250);

/// Offers every component file that changes to its plugins, and has a configuration that changes read anew, for ever.
pub(super) async fn run(server: Arc<Server>) {
    let Some(noticing) = server.host.watch_mode() else { return };
    let mut changed = server.host.tenants().subscribe();
    loop {
        tokio::select! {
            () = watch_files(&server, noticing) => return,
            // Other files are to be watched.
            Ok(()) = changed.changed() => {}
        }
    }
}

/// Watches the files there are now, and their signatures where there have to be any. Ends if they cannot be.
async fn watch_files(server: &Server, noticing: WatchMode) {
    let configuration = server.host.config().file.clone();
    let signers = server.host.signers();
    let offered = server.host.tenants().rollouts_by_file();
    let mut files: Vec<_> = offered.keys().chain(&configuration).cloned().collect();
    if signers.is_some() {
        files.extend(offered.keys().map(|file| signature::signature_path(file)));
    }
    let mut watcher = match run_on_dedicated_thread(move || Watcher::files(files, noticing)).await {
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            tracing::warn!("changed components will not be noticed: {error}");
            return;
        }
        None => return,
    };
    let most = server.host.limits().max_component;
    let mut tasks = JoinSet::new();
    let mut changes = BTreeMap::new();
    for (file, swaps) in offered {
        let follower = ComponentFollower {
            file: file.clone(),
            rollouts: swaps,
            signers: signers.cloned(),
            size_limit: most,
            component_changed: Arc::default(),
            signature_changed: Arc::default(),
        };
        // What changed while the host was starting, nobody has told.
        follower.component_changed.notify_one();
        changes.insert(signature::signature_path(&file), Arc::clone(&follower.signature_changed));
        changes.insert(file, Arc::clone(&follower.component_changed));
        tasks.spawn(follower.run());
    }
    server.config_reload.request_if_changed();
    let unserved = server.host.tenants().failed_loads();
    let tried = unserved.clone();
    // While nobody watched, what had failed may have become right.
    if run_on_dedicated_thread(move || tried.iter().any(FailedLoad::has_changed)).await
        == Some(true)
    {
        server.config_reload.request();
    }
    loop {
        for file in watcher.changed().await {
            if configuration.as_ref() == Some(&file) {
                server.config_reload.request_if_changed();
            } else if unserved.iter().any(|tried| tried.file == file) {
                // It may be a plugin now.
                server.config_reload.request();
            } else if let Some(change) = changes.get(&file) {
                change.notify_one();
            }
        }
    }
}

/// Offers one file as often as it changes: a file that is long in coming holds up no other.
struct ComponentFollower {
    file: PathBuf,
    rollouts: Vec<Arc<Rollout>>,
    signers: Option<Arc<TrustedKeys>>,
    /// The largest component that is read.
    size_limit: ByteSize,
    /// Told when the file was written.
    component_changed: Arc<Notify>,
    /// Told when its signature was, where there has to be one.
    signature_changed: Arc<Notify>,
}

/// What a file held.
struct ComponentContents {
    build: Arc<Build>,
    /// Whether it is as it has to be: signed, or where nobody has to sign, a whole component.
    is_complete: bool,
}

impl ComponentFollower {
    /// Offers what the file holds, for ever.
    async fn run(self) {
        let mut origin = DeploySource::StartupFile(self.file.clone());
        let mut waits_for_signature = false;
        loop {
            let is_written = tokio::select! {
                biased;
                () = self.component_changed.notified() => true,
                () = self.signature_changed.notified() => false,
            };
            // A file that was offered with its signature has nothing new to say when it is signed again.
            if !is_written && !waits_for_signature {
                continue;
            }
            let held = self.read_when_stable().await;
            waits_for_signature = held.as_ref().is_ok_and(|held| !held.is_complete);
            for swap in &self.rollouts {
                submit_deploy(swap, &origin, &held);
            }
            origin = DeploySource::ChangedFile(self.file.clone());
        }
    }

    /// Reads the file once it is whole, or has stopped changing without becoming so.
    async fn read_when_stable(&self) -> io::Result<ComponentContents> {
        let mut held = self.read_now().await?;
        while !held.is_complete {
            tokio::time::sleep(SETTLE_DELAY).await;
            let before = held.build.digest();
            held = self.read_now().await?;
            if held.build.digest() == before {
                break;
            }
        }
        Ok(held)
    }

    /// What the file holds now.
    async fn read_now(&self) -> io::Result<ComponentContents> {
        let (file, signers, most) = (self.file.clone(), self.signers.clone(), self.size_limit);
        let read =
            run_on_dedicated_thread(move || read_component(&file, most, signers.as_deref())).await;
        read.unwrap_or_else(|| Err(io::Error::other("no thread to read it")))
    }
}

fn submit_deploy(swap: &Rollout, origin: &DeploySource, held: &io::Result<ComponentContents>) {
    let file = origin.display_path();
    match held {
        // Its verdict stands in the log.
        Ok(held) => drop(swap.enqueue(Arc::clone(&held.build), origin.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(plugin = &*swap.plugin().label, "{} is gone", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin = &*swap.plugin().label, "{}: {error}", file.display());
        }
    }
}

fn read_component(
    file: &Path,
    most: ByteSize,
    signers: Option<&TrustedKeys>,
) -> io::Result<ComponentContents> {
    let build = Build::read(file, most)?;
    let is_whole = match signers {
        // Of what nobody has signed nothing is parsed.
        Some(signers) => build.check_signature(signers).is_ok(),
        None => component::parse_info(build.bytes()).is_ok(),
    };
    Ok(ComponentContents { build: Arc::new(build), is_complete: is_whole })
}
