//! From a file that changed to an offer of its bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Server;
use crate::component;
use crate::config::Noticing;
use crate::plugin::{Build, aside};
use crate::swap::{Origin, Swap};
use crate::units::ByteSize;
use crate::watch::Watcher;

/// How long a file that is no whole component gets to become one: whoever writes it may not be
/// done.
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

/// Watches the files there are now. Ends if they cannot be.
async fn watch(server: &Server, noticing: Noticing) {
    let configuration = server.host.config().file.clone();
    let offered = server.host.worlds().files();
    let files: Vec<_> = offered.keys().chain(&configuration).cloned().collect();
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
        let change = Arc::new(Notify::new());
        // What changed while the host was starting, nobody has told.
        change.notify_one();
        tasks.spawn(follow(file.clone(), swaps, Arc::clone(&change), most));
        changes.insert(file, change);
    }
    server.reread.look();
    let unserved = server.host.worlds().unserved();
    loop {
        for file in watcher.changed().await {
            if configuration.as_ref() == Some(&file) {
                server.reread.look();
            } else if unserved.contains(&file) {
                // It may be a plugin now.
                server.reread.ask();
            } else if let Some(change) = changes.get(&file) {
                change.notify_one();
            }
        }
    }
}

/// Offers one file as often as it changes, for ever: a file that is long in coming holds up no
/// other.
async fn follow(file: PathBuf, swaps: Vec<Arc<Swap>>, change: Arc<Notify>, most: ByteSize) {
    let mut origin = Origin::Found(file.clone());
    loop {
        change.notified().await;
        let read = read(&file, most).await;
        for swap in &swaps {
            offer(swap, &origin, &read);
        }
        origin = Origin::File(file.clone());
    }
}

fn offer(swap: &Swap, origin: &Origin, read: &io::Result<Arc<Build>>) {
    let file = origin.place();
    match read {
        // Its verdict stands in the log.
        Ok(build) => drop(swap.offer(Arc::clone(build), origin.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(plugin = &*swap.plugin().label, "{} is gone", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin = &*swap.plugin().label, "{}: {error}", file.display());
        }
    }
}

/// Reads a file once it is whole, or has stopped changing without becoming so.
async fn read(file: &Path, most: ByteSize) -> io::Result<Arc<Build>> {
    let (mut build, mut is_whole) = read_now(file.to_owned(), most).await?;
    while !is_whole {
        tokio::time::sleep(SETTLING).await;
        let before = build.digest();
        (build, is_whole) = read_now(file.to_owned(), most).await?;
        if build.digest() == before {
            break;
        }
    }
    Ok(Arc::new(build))
}

/// What a file holds now, and whether that is a whole component.
async fn read_now(file: PathBuf, most: ByteSize) -> io::Result<(Build, bool)> {
    let read = move || {
        let build = Build::read(&file, most)?;
        let is_whole = component::summarise(build.bytes()).is_ok();
        Ok((build, is_whole))
    };
    aside(read).await.unwrap_or_else(|| Err(io::Error::other("no thread to read it")))
}
