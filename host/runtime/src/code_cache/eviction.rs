//! Which files go when room is needed.

use std::time::{Duration, SystemTime};

use super::cache_file::{CacheFile, CacheFileKind};

/// A file that is not finished in so long never will be: its host has ended.
const UNFINISHED_MAX_AGE: Duration = Duration::from_secs(3_600);

/// What is to be removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EvictionPlan {
    /// In this order.
    pub(super) evict: Vec<CacheFile>,
    /// Whether the others keep to the room there is.
    pub(super) fits: bool,
}

/// What has to go so that all others together take at most `room` bytes: leftovers, then what was
/// not used for longest. Another host may still be writing an unfinished file.
pub(super) fn plan_eviction(mut files: Vec<CacheFile>, room: u64, now: SystemTime) -> EvictionPlan {
    files.sort_by_key(|file| file.last_used);
    let (mut doomed, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| is_abandoned(file, now));
    let mut total = others.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    for file in others.into_iter().filter(|file| file.kind == CacheFileKind::Entry) {
        if total <= room {
            break;
        }
        total = total.saturating_sub(file.bytes);
        doomed.push(file);
    }
    EvictionPlan { evict: doomed, fits: total <= room }
}

/// A clock that was set back must not keep one forever.
fn is_abandoned(file: &CacheFile, now: SystemTime) -> bool {
    let age = now.duration_since(file.last_used).unwrap_or_else(|error| error.duration());
    file.kind == CacheFileKind::Unfinished && age >= UNFINISHED_MAX_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn file(name: &str, kind: CacheFileKind, bytes: u64, minutes_ago: u64) -> CacheFile {
        let used = now() - Duration::from_secs(60 * minutes_ago);
        CacheFile { name: name.to_owned(), kind, bytes, last_used: used }
    }

    fn doomed(files: &[CacheFile], room: u64) -> Vec<String> {
        plan_eviction(files.to_vec(), room, now()).evict.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_no_more_than_needed() {
        let files = [
            file("young", CacheFileKind::Entry, 10, 1),
            file("oldest", CacheFileKind::Entry, 10, 9),
            file("old", CacheFileKind::Entry, 10, 5),
        ];
        assert_eq!(doomed(&files, 30), [""; 0]);
        assert_eq!(doomed(&files, 29), ["oldest"]);
        assert_eq!(doomed(&files, 10), ["oldest", "old"]);
        assert_eq!(doomed(&files, 0), ["oldest", "old", "young"]);
    }

    #[test]
    fn an_unfinished_file_goes_after_an_hour() {
        let files = [
            file("left", CacheFileKind::Unfinished, 10, 60),
            file("written", CacheFileKind::Unfinished, 10, 59),
        ];
        assert_eq!(doomed(&files, 100), ["left"]);
    }

    #[test]
    fn unfinished_files_count_for_the_bound() {
        let files = [
            file("entry", CacheFileKind::Entry, 10, 1),
            file("written", CacheFileKind::Unfinished, 10, 1),
        ];
        assert_eq!(doomed(&files, 15), ["entry"]);
        assert!(plan_eviction(files.to_vec(), 15, now()).fits);
        assert!(!plan_eviction(files.to_vec(), 5, now()).fits);
    }
}
