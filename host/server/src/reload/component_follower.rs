//! The deploys of one component file or source folder.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::config_reloader::ConfigReloader;
use crate::tenants::FollowedPlugin;
use narrowboat_config::signature::TrustedKeys;
use narrowboat_core::component;
use narrowboat_core::plugin_file::PluginFileKind;
use narrowboat_core::source_bundle::SourceBundle;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{BuildSource, ReadBuildError};
use narrowboat_deploy::rollout::{DeploySource, Rollout};
use narrowboat_runtime::{Build, run_on_dedicated_thread};

/// The pause before a file that is incomplete, or not signed as required, is read again: its writer may not be done.
const SETTLE_DELAY: Duration = Duration::from_millis(250);

/// Deploys one component file or source folder each time that it changes. Each has a follower of its own, so that a file
/// that is written slowly does not delay others.
pub(super) struct ComponentFollower {
    source: BuildSource,
    plugins: Vec<FollowedPlugin>,
    signers: Option<Arc<TrustedKeys>>,
    /// The largest component or bundle that is read.
    size_limit: ByteSize,
    /// Loads plugins again whose versions cannot be deployed; `None` if that has failed and the file is as it was.
    reloader: Option<Arc<ConfigReloader>>,
    /// Notified when the file, or a file of the folder, was written.
    pub(super) component_changed: Arc<Notify>,
    /// Notified when the file of its signature was written.
    pub(super) signature_changed: Arc<Notify>,
}

/// The contents of a component file or a source folder.
struct ComponentContents {
    build: Arc<Build>,
    /// Whether the file has a valid signature; without `[signatures]`, whether it is a whole component or bundle.
    is_complete: bool,
}

impl ComponentFollower {
    /// A follower of `source`, which has the versions of `plugins`.
    pub(super) fn new(
        source: BuildSource,
        plugins: Vec<FollowedPlugin>,
        signers: Option<Arc<TrustedKeys>>,
        size_limit: ByteSize,
        reloader: Option<Arc<ConfigReloader>>,
    ) -> Self {
        Self {
            source,
            plugins,
            signers,
            size_limit,
            reloader,
            component_changed: Arc::default(),
            signature_changed: Arc::default(),
        }
    }

    /// Deploys the file or folder each time that it changes, for ever.
    pub(super) async fn run(self) {
        let mut source = DeploySource::StartupFile(self.source.path().to_owned());
        let mut waits_for_signature = false;
        loop {
            let is_component_change = tokio::select! {
                biased;
                () = self.component_changed.notified() => true,
                () = self.signature_changed.notified() => false,
            };
            // A new signature of a file that was deployed with a valid one changes nothing.
            if !is_component_change && !waits_for_signature {
                continue;
            }
            // Waits before the file is read, so that the latest content is deployed. The first check after the start of the
            // host is not a deploy.
            if !matches!(source, DeploySource::StartupFile(_)) {
                self.wait_for_deploy_rate().await;
            }
            let mut locks = Vec::new();
            for plugin in &self.plugins {
                locks.push(plugin.saved_build.lock_source().await);
            }
            let contents = self.read_when_stable().await;
            drop(locks);
            waits_for_signature = contents.as_ref().is_ok_and(|contents| !contents.is_complete);
            for plugin in &self.plugins {
                match &contents {
                    Ok(contents) => self.deploy(plugin, &source, &contents.build),
                    Err(error) => log_read_error(&plugin.rollout, &source, error),
                }
            }
            source = DeploySource::ChangedFile(self.source.path().to_owned());
        }
    }

    /// Waits until `deploys_per_minute` allows another deploy of each plugin.
    async fn wait_for_deploy_rate(&self) {
        for plugin in &self.plugins {
            let plugin = plugin.rollout.plugin();
            while let Err(wait) = plugin.quota.try_begin_deploy() {
                let (wait_seconds, plugin) = (wait.as_secs() + 1, &*plugin.label);
                tracing::info!(
                    plugin,
                    wait_seconds,
                    "the changed file waits, because of deploys_per_minute"
                );
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Requests a deploy, whose outcome the rollout logs, or a reload if only that can take the version.
    fn deploy(&self, plugin: &FollowedPlugin, source: &DeploySource, build: &Arc<Build>) {
        if plugin.saved_build.take(build.digest()) {
            return;
        }
        if !plugin.needs_reload(build) {
            drop(plugin.rollout.enqueue(Arc::clone(build), source.clone()));
        } else if let Some(reloader) = &self.reloader {
            reloader.request();
        }
    }

    /// Reads the file once it is complete, or does not change any more.
    async fn read_when_stable(&self) -> Result<ComponentContents, ReadBuildError> {
        let mut contents = self.read_now().await?;
        while !contents.is_complete {
            tokio::time::sleep(SETTLE_DELAY).await;
            let previous = contents.build.digest();
            contents = self.read_now().await?;
            if contents.build.digest() == previous {
                break;
            }
        }
        Ok(contents)
    }

    async fn read_now(&self) -> Result<ComponentContents, ReadBuildError> {
        let (source, signers, limit) = (self.source.clone(), self.signers.clone(), self.size_limit);
        let contents =
            run_on_dedicated_thread(move || read_component(&source, limit, signers.as_deref()));
        contents.await.unwrap_or_else(|| {
            let source = io::Error::other("cannot start a thread to read it");
            Err(ReadBuildError::File { file: self.source.path().to_owned(), source })
        })
    }
}

/// Logs why a changed file or folder cannot be read.
fn log_read_error(rollout: &Rollout, source: &DeploySource, error: &ReadBuildError) {
    let plugin = &*rollout.plugin().label;
    if error.is_not_found() {
        tracing::debug!(plugin, file = %source.display_path().display(), "component file is gone");
    } else {
        let live = rollout.plugin().live_version().digest().short_hex();
        tracing::warn!(plugin, live, %error, "cannot read the changed file");
    }
}

fn read_component(
    source: &BuildSource,
    limit: ByteSize,
    signers: Option<&TrustedKeys>,
) -> Result<ComponentContents, ReadBuildError> {
    let build = source.read(limit)?;
    let is_complete = match signers {
        // A file without a valid signature is not parsed.
        Some(signers) => build.check_signature(signers).is_ok(),
        None => is_whole(build.bytes()),
    };
    Ok(ComponentContents { build: Arc::new(build), is_complete })
}

/// Whether bytes are not cut off.
fn is_whole(bytes: &[u8]) -> bool {
    match PluginFileKind::of(bytes) {
        PluginFileKind::Component => component::parse_info(bytes).is_ok(),
        PluginFileKind::Bundle => SourceBundle::parse(bytes).is_ok(),
    }
}
