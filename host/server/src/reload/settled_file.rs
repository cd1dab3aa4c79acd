//! The end of a write to a file.

use std::path::Path;
use std::time::Duration;

/// The pause between two reads of a file that may still be written.
const SETTLE_DELAY: Duration = Duration::from_millis(30);

/// The most reads of a file that keeps changing.
const MAX_READS: usize = 20;

/// Waits until two reads of a file agree: an editor may have emptied the file and not have written it yet. Returns at
/// once if `is_known` knows the contents. Blocks.
pub(super) fn wait_until_settled(file: &Path, is_known: impl Fn(&[u8]) -> bool) {
    let pause = || std::thread::sleep(SETTLE_DELAY);
    read_until_settled(|| std::fs::read(file).ok(), is_known, pause);
}

/// Reads until two reads agree, or the contents are known, with a pause between two reads.
fn read_until_settled(
    mut read: impl FnMut() -> Option<Vec<u8>>,
    is_known: impl Fn(&[u8]) -> bool,
    mut pause: impl FnMut(),
) {
    let mut contents = read();
    for _ in 1..MAX_READS {
        if contents.as_deref().is_some_and(&is_known) {
            return;
        }
        pause();
        let next = read();
        if next == contents {
            return;
        }
        contents = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of reads of a file that has these contents one after the other, and then the last ones.
    fn count_reads(contents: &[Option<&str>]) -> usize {
        let mut count = 0;
        let read = || {
            let text = contents[count.min(contents.len() - 1)];
            count += 1;
            text.map(|text| text.as_bytes().to_vec())
        };
        read_until_settled(read, |text| text == b"known", || {});
        count
    }

    #[test]
    fn contents_that_are_known_are_read_once() {
        assert_eq!(count_reads(&[Some("known")]), 1);
    }

    #[test]
    fn a_file_that_is_empty_or_missing_for_a_moment_is_read_until_it_is_whole() {
        assert_eq!(count_reads(&[Some(""), Some("whole")]), 3);
        assert_eq!(count_reads(&[None, Some(""), Some("whole")]), 4);
    }

    #[test]
    fn a_file_that_keeps_changing_is_not_waited_for_without_end() {
        let mut count = 0;
        let read = || {
            count += 1;
            Some(vec![u8::try_from(count % 2).unwrap()])
        };
        read_until_settled(read, |_| false, || {});
        assert_eq!(count, MAX_READS);
    }
}
