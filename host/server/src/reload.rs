//! From a file that changed, or got its signature, to an offer of its bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Server;
use super::world::Tried;
use narrowboat_config::Noticing;
use narrowboat_config::signature::{self, Signers};
use narrowboat_core::component;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::swap::{Origin, Swap};
use narrowboat_deploy::watch::Watcher;
use narrowboat_runtime::{Build, aside};

/// How long a file that is no whole component, or is not signed as it has to be, gets to become so:
/// whoever writes it may not be done.
const SETTLING: Duration = Duration::from_millis(250);

/// Offers every component file that changes to its plugins, and has a configuration that changes read anew, for ever.
pub(super) async fn reload(server: Arc<Server>) {
    let Some(noticing) = server.host.noticing() else { return };
    let mut changed = server.host.worlds().follow();
    loop {
        tokio::select! {
            () = watch(&server, noticing) => return,
            // Other files are to be watched.
            Ok(()) = changed.changed() => {}
        }
    }
}

/// Watches the files there are now, and their signatures where there have to be any. Ends if they cannot be.
async fn watch(server: &Server, noticing: Noticing) {
    let configuration = server.host.config().file.clone();
    let signers = server.host.signers();
    let offered = server.host.worlds().files();
    let mut files: Vec<_> = offered.keys().chain(&configuration).cloned().collect();
    if signers.is_some() {
        files.extend(offered.keys().map(|file| signature::file_beside(file)));
    }
    let mut watcher = match aside(move || Watcher::files(files, noticing)).await {
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            tracing::warn!("changed components will not be noticed: {error}");
            return;
        }
        None => return,
    };
    let most = server.host.limits().component;
    let mut tasks = JoinSet::new();
    let mut changes = BTreeMap::new();
    for (file, swaps) in offered {
        let follower = Follower {
            file: file.clone(),
            swaps,
            signers: signers.cloned(),
            most,
            written: Arc::default(),
            signed: Arc::default(),
        };
        // What changed while the host was starting, nobody has told.
        follower.written.notify_one();
        changes.insert(signature::file_beside(&file), Arc::clone(&follower.signed));
        changes.insert(file, Arc::clone(&follower.written));
        tasks.spawn(follower.follow());
    }
    server.reread.look();
    let unserved = server.host.worlds().unserved();
    let tried = unserved.clone();
    // While nobody watched, what had failed may have become right.
    if aside(move || tried.iter().any(Tried::has_changed)).await == Some(true) {
        server.reread.ask();
    }
    loop {
        for file in watcher.changed().await {
            if configuration.as_ref() == Some(&file) {
                server.reread.look();
            } else if unserved.iter().any(|tried| tried.file == file) {
                // It may be a plugin now.
                server.reread.ask();
            } else if let Some(change) = changes.get(&file) {
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
    /// The largest component that is read.
    most: ByteSize,
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
        let (file, signers, most) = (self.file.clone(), self.signers.clone(), self.most);
        let read = aside(move || read(&file, most, signers.as_deref())).await;
        read.unwrap_or_else(|| Err(io::Error::other("no thread to read it")))
    }
}

fn offer(swap: &Swap, origin: &Origin, held: &io::Result<Held>) {
    let file = origin.place();
    match held {
        // Its verdict stands in the log.
        Ok(held) => drop(swap.offer(Arc::clone(&held.build), origin.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(plugin = &*swap.plugin().label, "{} is gone", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin = &*swap.plugin().label, "{}: {error}", file.display());
        }
    }
}

fn read(file: &Path, most: ByteSize, signers: Option<&Signers>) -> io::Result<Held> {
    let build = Build::read(file, most)?;
    let is_whole = match signers {
        // Of what nobody has signed nothing is parsed.
        Some(signers) => build.check_signature(signers).is_ok(),
        None => component::summarise(build.bytes()).is_ok(),
    };
    Ok(Held { build: Arc::new(build), is_whole })
}
