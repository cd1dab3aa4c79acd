//! Chooses the files to evict.

use std::time::{Duration, SystemTime};

use super::cache_file::{CacheFile, CacheFileKind};
use super::code_kind::CodeKind;

/// The age after which an unfinished file is abandoned: its host has stopped.
const UNFINISHED_MAX_AGE: Duration = Duration::from_secs(3_600);

/// The files to evict.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EvictionPlan {
    /// The files, in the order of removal.
    pub(super) evict: Vec<CacheFile>,
    /// Whether the remaining files fit.
    pub(super) fits: bool,
}

/// Chooses the files to evict so that the others take at most `max_bytes`: abandoned files, then the least recently
/// used ones, and runtimes last, because many plugins share one. Unfinished files stay, because another host may be
/// writing them.
pub(super) fn plan_eviction(
    mut files: Vec<CacheFile>,
    max_bytes: u64,
    now: SystemTime,
) -> EvictionPlan {
    let is_runtime = |file: &CacheFile| file.kind == CacheFileKind::Entry(CodeKind::Runtime);
    files.sort_by_key(|file| (is_runtime(file), file.last_used));
    let (mut evict, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| is_abandoned(file, now));
    let mut total = others.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    for file in others.into_iter().filter(|file| file.kind != CacheFileKind::Unfinished) {
        if total <= max_bytes {
            break;
        }
        total = total.saturating_sub(file.bytes);
        evict.push(file);
    }
    EvictionPlan { evict, fits: total <= max_bytes }
}

/// Whether an unfinished file is abandoned. Compares absolute ages, so that a clock that was set back does not keep a
/// file forever.
fn is_abandoned(file: &CacheFile, now: SystemTime) -> bool {
    let age = now.duration_since(file.last_used).unwrap_or_else(|error| error.duration());
    file.kind == CacheFileKind::Unfinished && age >= UNFINISHED_MAX_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: CacheFileKind = CacheFileKind::Entry(CodeKind::Component);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn file(name: &str, kind: CacheFileKind, bytes: u64, minutes_ago: u64) -> CacheFile {
        let last_used = now() - Duration::from_secs(60 * minutes_ago);
        CacheFile { name: name.to_owned(), kind, bytes, last_used }
    }

    fn evicted(files: &[CacheFile], max_bytes: u64) -> Vec<String> {
        plan_eviction(files.to_vec(), max_bytes, now())
            .evict
            .into_iter()
            .map(|file| file.name)
            .collect()
    }

    #[test]
    fn the_least_recently_used_files_are_evicted_and_no_more_than_needed() {
        let files =
            [file("young", ENTRY, 10, 1), file("oldest", ENTRY, 10, 9), file("old", ENTRY, 10, 5)];
        assert_eq!(evicted(&files, 30), [""; 0]);
        assert_eq!(evicted(&files, 29), ["oldest"]);
        assert_eq!(evicted(&files, 10), ["oldest", "old"]);
        assert_eq!(evicted(&files, 0), ["oldest", "old", "young"]);
    }

    #[test]
    fn runtimes_are_evicted_last() {
        let files = [
            file("runtime", CacheFileKind::Entry(CodeKind::Runtime), 10, 9),
            file("code", ENTRY, 10, 5),
            file("program", CacheFileKind::Entry(CodeKind::Program), 10, 1),
        ];
        assert_eq!(evicted(&files, 20), ["code"]);
        assert_eq!(evicted(&files, 10), ["code", "program"]);
        assert_eq!(evicted(&files, 9), ["code", "program", "runtime"]);
    }

    #[test]
    fn an_unfinished_file_is_evicted_after_an_hour() {
        let files = [
            file("left", CacheFileKind::Unfinished, 10, 60),
            file("written", CacheFileKind::Unfinished, 10, 59),
        ];
        assert_eq!(evicted(&files, 100), ["left"]);
    }

    #[test]
    fn unfinished_files_count_towards_the_limit() {
        let files =
            [file("entry", ENTRY, 10, 1), file("written", CacheFileKind::Unfinished, 10, 1)];
        assert_eq!(evicted(&files, 15), ["entry"]);
        assert!(plan_eviction(files.to_vec(), 15, now()).fits);
        assert!(!plan_eviction(files.to_vec(), 5, now()).fits);
    }
}
