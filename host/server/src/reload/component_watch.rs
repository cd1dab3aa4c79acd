//! The watch of component files and of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::component_follower::ComponentFollower;
use super::config_reloader::ConfigReloader;
use crate::host::Host;
use crate::tenants::FailedLoad;
use narrowboat_config::WatchMode;
use narrowboat_config::signature;
use narrowboat_deploy::watch::Watcher;
use narrowboat_runtime::run_on_dedicated_thread;

/// Deploys each component file that changes, and reloads a configuration that changes, for ever. Returns at once if
/// `watch` is off.
pub(crate) async fn run(host: Arc<Host>, reloader: Arc<ConfigReloader>) {
    let Some(mode) = host.watch_mode() else { return };
    let mut tenants_changed = host.tenants().subscribe();
    loop {
        tokio::select! {
            () = watch_files(&host, &reloader, mode) => return,
            // A reload has changed which files there are to watch.
            Ok(()) = tenants_changed.changed() => {}
        }
    }
}

/// Watches the files of now: the configuration, components, and their signatures if signatures are required. Returns if
/// they cannot be watched.
async fn watch_files(host: &Host, reloader: &ConfigReloader, mode: WatchMode) {
    let config_file = host.config().file.clone();
    let rollouts = host.tenants().rollouts_by_file();
    let mut files: Vec<_> = rollouts.keys().chain(&config_file).cloned().collect();
    if host.signers().is_some() {
        files.extend(rollouts.keys().map(|file| signature::signature_path(file)));
    }
    let mut watcher = match run_on_dedicated_thread(move || Watcher::files(files, mode)).await {
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            tracing::warn!("cannot watch files; changed components will not be deployed: {error}");
            return;
        }
        None => return,
    };
    let mut followers = JoinSet::new();
    let mut notifies = BTreeMap::<PathBuf, Arc<Notify>>::new();
    for (file, rollouts) in rollouts {
        let follower = ComponentFollower::new(
            file.clone(),
            rollouts,
            host.signers().cloned(),
            host.limits().max_component,
        );
        // The file may have changed before the watch began.
        follower.component_changed.notify_one();
        notifies.insert(signature::signature_path(&file), Arc::clone(&follower.signature_changed));
        notifies.insert(file, Arc::clone(&follower.component_changed));
        followers.spawn(follower.run());
    }
    reloader.request_if_changed();
    let failed_loads = host.tenants().failed_loads();
    let failed = failed_loads.clone();
    // A file that could not be loaded may have changed before the watch began.
    let has_changed = run_on_dedicated_thread(move || failed.iter().any(FailedLoad::has_changed));
    if has_changed.await == Some(true) {
        reloader.request();
    }
    loop {
        for file in watcher.changed().await {
            if config_file.as_ref() == Some(&file) {
                reloader.request_if_changed();
            } else if failed_loads.iter().any(|failed| failed.file == file) {
                // The plugin may load now.
                reloader.request();
            } else if let Some(notify) = notifies.get(&file) {
                notify.notify_one();
            }
        }
    }
}
