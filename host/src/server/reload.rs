//! From a file that changed, or got its signature, to an offer of its bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::host::Host;
use crate::component;
use crate::plugin::{Build, aside};
use crate::signature::{self, Signature, Signers};
use crate::swap::{Origin, Swap};
use crate::watch::Watcher;

/// How long a file that is no whole component, or is not signed as it has to be, gets to become so:
/// whoever writes it may not be done.
const SETTLING: Duration = Duration::from_millis(250);

/// The largest component that is taken, in bytes.
const MAX_COMPONENT: u64 = 512 * 1024 * 1024;

/// Offers every component file that changes to its plugins, for ever.
pub(super) async fn reload(host: &Host) {
    let Some(noticing) = host.noticing() else { return };
    let mut files: Vec<_> = host.swaps().keys().cloned().collect();
    if host.signers().is_some() {
        files.extend(host.swaps().keys().map(|file| signature::file_beside(file)));
    }
    let mut watcher = match aside(move || Watcher::files(files, noticing)).await {
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            tracing::warn!("changed components will not be noticed: {error}");
            return;
        }
        None => return,
    };
    let mut tasks = JoinSet::new();
    let mut changes = BTreeMap::new();
    for (file, swaps) in host.swaps() {
        let follower = Follower {
            file: file.clone(),
            swaps: swaps.clone(),
            signers: host.signers().cloned(),
            written: Arc::default(),
            signed: Arc::default(),
        };
        // What changed while the host was starting, nobody has told.
        follower.written.notify_one();
        changes.insert(file.clone(), Arc::clone(&follower.written));
        changes.insert(signature::file_beside(file), Arc::clone(&follower.signed));
        tasks.spawn(follower.follow());
    }
    loop {
        for file in watcher.changed().await {
            if let Some(change) = changes.get(&file) {
                change.notify_one();
            }
        }
    }
}

/// Offers one file as often as it changes: a file that is long in coming holds up no other.
struct Follower {
    file: PathBuf,
    swaps: Vec<Arc<Swap>>,
    signers: Option<Arc<Signers>>,
    /// Told when the file was written.
    written: Arc<Notify>,
    /// Told when its signature was, where there has to be one.
    signed: Arc<Notify>,
}

/// What a file held.
struct Held {
    build: Arc<Build>,
    /// Whether it is as it has to be: signed, or where nobody has to sign, a whole component.
    is_whole: bool,
}

impl Follower {
    /// Offers what the file holds, for ever.
    async fn follow(self) {
        let mut origin = Origin::Found(self.file.clone());
        let mut waits_for_signature = false;
        loop {
            let is_written = tokio::select! {
                biased;
                () = self.written.notified() => true,
                () = self.signed.notified() => false,
            };
            // A file that was offered with its signature has nothing new to say when it is signed again.
            if !is_written && !waits_for_signature {
                continue;
            }
            let held = self.read().await;
            waits_for_signature = held.as_ref().is_ok_and(|held| !held.is_whole);
            for swap in &self.swaps {
                offer(swap, &origin, &held);
            }
            origin = Origin::File(self.file.clone());
        }
    }

    /// Reads the file once it is whole, or has stopped changing without becoming so.
    async fn read(&self) -> io::Result<Held> {
        let mut held = self.read_now().await?;
        while !held.is_whole {
            tokio::time::sleep(SETTLING).await;
            let before = held.build.digest();
            held = self.read_now().await?;
            if held.build.digest() == before {
                break;
            }
        }
        Ok(held)
    }

    /// What the file holds now.
    async fn read_now(&self) -> io::Result<Held> {
        let (file, signers) = (self.file.clone(), self.signers.clone());
        let read = aside(move || read(&file, signers.as_deref())).await;
        read.unwrap_or_else(|| Err(io::Error::other("no thread to read it")))
    }
}

fn offer(swap: &Swap, origin: &Origin, held: &io::Result<Held>) {
    let file = origin.place();
    match held {
        // Its verdict stands in the log.
        Ok(held) => drop(swap.offer(Arc::clone(&held.build), origin.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(plugin = &*swap.plugin().name, "{} is gone", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin = &*swap.plugin().name, "{}: {error}", file.display());
        }
    }
}

fn read(file: &Path, signers: Option<&Signers>) -> io::Result<Held> {
    let length = std::fs::metadata(file)?.len();
    if length > MAX_COMPONENT {
        let problem = format!("{length} bytes are more than a component may have");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    let bytes = std::fs::read(file)?;
    let build = Build::new(bytes, Signature::beside(file));
    let is_whole = match signers {
        // Of what nobody has signed nothing is parsed.
        Some(signers) => build.check_signature(signers).is_ok(),
        None => component::summarise(build.bytes()).is_ok(),
    };
    Ok(Held { build: Arc::new(build), is_whole })
}
