//! From a file that changed to an offer of its bytes.

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
use crate::swap::{Origin, Swap};
use crate::watch::Watcher;

/// How long a file that is no whole component gets to become one: whoever writes it may not be
/// done.
const SETTLING: Duration = Duration::from_millis(250);

/// The largest component that is taken, in bytes.
const MAX_COMPONENT: u64 = 512 * 1024 * 1024;

/// Offers every component file that changes to its plugins, for ever.
pub(super) async fn reload(host: &Host) {
    let Some(noticing) = host.noticing() else { return };
    let files: Vec<_> = host.swaps().keys().cloned().collect();
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
        let change = Arc::new(Notify::new());
        // What changed while the host was starting, nobody has told.
        change.notify_one();
        tasks.spawn(follow(file.clone(), swaps.clone(), Arc::clone(&change)));
        changes.insert(file, change);
    }
    loop {
        for file in watcher.changed().await {
            if let Some(change) = changes.get(&file) {
                change.notify_one();
            }
        }
    }
}

/// Offers one file as often as it changes, for ever: a file that is long in coming holds up no
/// other.
async fn follow(file: PathBuf, swaps: Vec<Arc<Swap>>, change: Arc<Notify>) {
    let mut origin = Origin::Found(file.clone());
    loop {
        change.notified().await;
        let read = read(&file).await;
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
            tracing::debug!(plugin = &*swap.plugin().name, "{} is gone", file.display());
        }
        Err(error) => {
            tracing::warn!(plugin = &*swap.plugin().name, "{}: {error}", file.display());
        }
    }
}

/// Reads a file once it is whole, or has stopped changing without becoming so.
async fn read(file: &Path) -> io::Result<Arc<Build>> {
    let (mut build, mut is_whole) = read_now(file.to_owned()).await?;
    while !is_whole {
        tokio::time::sleep(SETTLING).await;
        let before = build.digest();
        (build, is_whole) = read_now(file.to_owned()).await?;
        if build.digest() == before {
            break;
        }
    }
    Ok(Arc::new(build))
}

/// What a file holds now, and whether that is a whole component.
async fn read_now(file: PathBuf) -> io::Result<(Build, bool)> {
    let read = move || {
        let length = std::fs::metadata(&file)?.len();
        if length > MAX_COMPONENT {
            let problem = format!("{length} bytes are more than a component may have");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        let bytes = std::fs::read(&file)?;
        let is_whole = component::summarise(&bytes).is_ok();
        Ok((Build::new(bytes), is_whole))
    };
    aside(read).await.unwrap_or_else(|| Err(io::Error::other("no thread to read it")))
}
