//! The watch of component files, of source folders and of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::component_follower::ComponentFollower;
use super::config_reloader::ConfigReloader;
use super::source_watcher::SourceWatcher;
use crate::host::Host;
use crate::tenants::FailedLoad;
use narrowboat_config::WatchMode;
use narrowboat_config::signature;
use narrowboat_deploy::packaging::BuildSource;
use narrowboat_runtime::run_on_dedicated_thread;

/// Deploys each component file and source folder that changes, and reloads a configuration that changes, for ever.
/// Returns at once if `watch` is off.
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

/// Watches the current files: the configuration, components, source folders, and signatures if they are required. Returns
/// if they cannot be watched.
async fn watch_files(host: &Host, reloader: &Arc<ConfigReloader>, mode: WatchMode) {
    let config_file = host.config().file.clone();
    let plugins = host.tenants().plugins_by_source();
    let (mut files, folders) = split_paths(plugins.keys());
    if host.signers().is_some() {
        let signatures: Vec<_> = files.iter().map(|file| signature::signature_path(file)).collect();
        files.extend(signatures);
    }
    files.extend(config_file.clone());
    let start = move || SourceWatcher::start(files, folders, mode);
    let mut watcher = match run_on_dedicated_thread(start).await {
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            tracing::warn!(%error, "cannot watch files; changed components will not be deployed");
            return;
        }
        None => return,
    };
    let failed_loads = host.tenants().failed_loads();
    let mut followers = JoinSet::new();
    let mut notifies = BTreeMap::<PathBuf, Arc<Notify>>::new();
    for (source, plugins) in plugins {
        let path = source.path().to_owned();
        // A plugin that could not be loaded again is loaded at the next change, which is noticed below.
        let has_failed = failed_loads.iter().any(|failed| failed.source == source);
        let reloader = (!has_failed).then(|| Arc::clone(reloader));
        let follower = ComponentFollower::new(
            source,
            plugins,
            host.signers().cloned(),
            host.limits().max_component,
            reloader,
        );
        // The file may have changed before the watch began.
        follower.component_changed.notify_one();
        notifies.insert(signature::signature_path(&path), Arc::clone(&follower.signature_changed));
        notifies.insert(path, Arc::clone(&follower.component_changed));
        followers.spawn(follower.run());
    }
    reloader.request_if_changed();
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
            } else if failed_loads.iter().any(|failed| failed.source.path() == file) {
                // The plugin may load now.
                reloader.request();
            } else if let Some(notify) = notifies.get(&file) {
                notify.notify_one();
            }
        }
    }
}

/// The files and the folders of sources.
fn split_paths<'a>(sources: impl Iterator<Item = &'a BuildSource>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for source in sources {
        match source {
            BuildSource::File(file) => files.push(file.clone()),
            BuildSource::Folder { path, .. } => folders.push(path.clone()),
        }
    }
    (files, folders)
}
