//! The deploys of one component file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use narrowboat_config::signature::TrustedKeys;
use narrowboat_core::component;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::rollout::{DeploySource, Rollout};
use narrowboat_runtime::{Build, run_on_dedicated_thread};

/// The pause before a file that is incomplete, or not signed as required, is read again: its writer may not be done.
const SETTLE_DELAY: Duration = Duration::from_millis(250);

/// Deploys one component file each time that it changes. Each file has a follower of its own, so that a file that is
/// written slowly does not delay others.
pub(super) struct ComponentFollower {
    file: PathBuf,
    rollouts: Vec<Arc<Rollout>>,
    signers: Option<Arc<TrustedKeys>>,
    /// The largest component that is read.
    size_limit: ByteSize,
    /// Notified when the file was written.
    pub(super) component_changed: Arc<Notify>,
    /// Notified when the file of its signature was written.
    pub(super) signature_changed: Arc<Notify>,
}

/// The contents of a component file.
struct ComponentContents {
    build: Arc<Build>,
    /// Whether the file has a valid signature; without `[signatures]`, whether it is a whole component.
    is_complete: bool,
}

impl ComponentFollower {
    /// A follower of `file`, which is the component of the plugins of `rollouts`.
    pub(super) fn new(
        file: PathBuf,
        rollouts: Vec<Arc<Rollout>>,
        signers: Option<Arc<TrustedKeys>>,
        size_limit: ByteSize,
    ) -> Self {
        Self {
            file,
            rollouts,
            signers,
            size_limit,
            component_changed: Arc::default(),
            signature_changed: Arc::default(),
        }
    }

    /// Deploys the file each time that it changes, for ever.
    pub(super) async fn run(self) {
        let mut source = DeploySource::StartupFile(self.file.clone());
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
            let contents = self.read_when_stable().await;
            waits_for_signature = contents.as_ref().is_ok_and(|contents| !contents.is_complete);
            for rollout in &self.rollouts {
                submit_deploy(rollout, &source, &contents);
            }
            source = DeploySource::ChangedFile(self.file.clone());
        }
    }

    /// Reads the file once it is complete, or does not change any more.
    async fn read_when_stable(&self) -> io::Result<ComponentContents> {
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

    async fn read_now(&self) -> io::Result<ComponentContents> {
        let (file, signers, limit) = (self.file.clone(), self.signers.clone(), self.size_limit);
        let contents =
            run_on_dedicated_thread(move || read_component(&file, limit, signers.as_deref()));
        contents.await.unwrap_or_else(|| Err(io::Error::other("cannot start a thread to read it")))
    }
}

/// Enqueues the contents of a file, or logs why the file cannot be read. The rollout logs the outcome.
fn submit_deploy(
    rollout: &Rollout,
    source: &DeploySource,
    contents: &io::Result<ComponentContents>,
) {
    let (plugin, file) = (&*rollout.plugin().label, source.display_path());
    match contents {
        Ok(contents) => drop(rollout.enqueue(Arc::clone(&contents.build), source.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(plugin, "component file is gone: {}", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin, "cannot read component file {}: {error}", file.display());
        }
    }
}

fn read_component(
    file: &Path,
    limit: ByteSize,
    signers: Option<&TrustedKeys>,
) -> io::Result<ComponentContents> {
    let build = Build::read(file, limit)?;
    let is_complete = match signers {
        // A file without a valid signature is not parsed.
        Some(signers) => build.check_signature(signers).is_ok(),
        None => component::parse_info(build.bytes()).is_ok(),
    };
    Ok(ComponentContents { build: Arc::new(build), is_complete })
}
