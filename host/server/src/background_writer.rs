//! A writer for standard output and standard error that never blocks its caller. A thread of its own writes. If the
//! buffer is full or the stream is broken, lines are dropped and counted.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The capacity of the buffer, in bytes; a line that does not fit is dropped. A second buffer of this size is being
/// written meanwhile.
pub const CAPACITY: usize = 1 << 20;

/// The capacity that an empty buffer keeps, in bytes.
const RETAINED_CAPACITY: usize = 64 << 10;

/// The pause before the next write to a stream that would block.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Writes to one stream on a thread of its own. A clone writes to the same stream.
#[derive(Clone)]
pub struct BackgroundWriter(Arc<Inner>);

struct Inner {
    /// The name of the stream in the log and in metrics.
    stream_name: &'static str,
    state: Mutex<PendingOutput>,
    /// Notified when there are lines to write.
    not_empty: Condvar,
    /// Notified when all lines have been written or dropped.
    idle: Condvar,
    /// The number of lines that were dropped.
    dropped_lines: AtomicU64,
}

#[derive(Default)]
struct PendingOutput {
    pending: Vec<u8>,
    is_writing: bool,
}

impl BackgroundWriter {
    /// Writes to standard output.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn stdout() -> io::Result<Self> {
        // A duplicate descriptor: a write that blocks must not hold the lock of `io::stdout()`.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::spawn("stdout", File::from(descriptor)),
            Err(_) => Self::spawn("stdout", io::stdout()),
        }
    }

    /// Writes to standard error.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn stderr() -> io::Result<Self> {
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::spawn("stderr", File::from(descriptor)),
            Err(_) => Self::spawn("stderr", io::stderr()),
        }
    }

    /// Writes to `output`, which is named `stream_name` in the log and in metrics.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(
        stream_name: &'static str,
        output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            stream_name,
            state: Mutex::default(),
            not_empty: Condvar::new(),
            idle: Condvar::new(),
            dropped_lines: AtomicU64::new(0),
        });
        let writer = Self(inner);
        let thread_writer = writer.clone();
        thread::Builder::new()
            .name(stream_name.to_owned())
            .spawn(move || thread_writer.run(output))?;
        Ok(writer)
    }

    /// Appends whole lines. If they do not all fit, all of them are dropped.
    pub fn write_lines(&self, lines: &[u8]) {
        let mut state = self.lock();
        if state.pending.len() + lines.len() > CAPACITY {
            drop(state);
            self.count_dropped(lines);
            return;
        }
        let was_empty = state.pending.is_empty();
        state.pending.extend_from_slice(lines);
        drop(state);
        // If there were lines before, the thread has been notified already.
        if was_empty {
            self.0.not_empty.notify_one();
        }
    }

    /// The name of the stream.
    pub fn stream_name(&self) -> &'static str {
        self.0.stream_name
    }

    /// The number of lines that were dropped since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.0.dropped_lines.load(Ordering::Relaxed)
    }

    /// Waits until every line so far has been written or dropped, for at most `limit`. Returns whether that was long enough.
    pub fn flush_within(&self, limit: Duration) -> bool {
        let state = self.lock();
        let is_busy = |state: &mut PendingOutput| state.is_writing || !state.pending.is_empty();
        let (_state, waited) = self
            .0
            .idle
            .wait_timeout_while(state, limit, is_busy)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    fn run(&self, mut output: impl Write) {
        let (mut batch, mut reported, mut is_torn) = (Vec::new(), 0, false);
        loop {
            self.next_batch(&mut batch);
            let is_written = self.write(&mut output, &batch, &mut is_torn);
            batch.clear();
            batch.shrink_to(RETAINED_CAPACITY);
            let dropped = self.dropped_lines();
            if is_written && dropped > reported {
                let count = dropped - reported;
                tracing::warn!(stream = self.0.stream_name, count, "dropped lines of the log");
                reported = dropped;
            }
        }
    }

    /// Waits for lines, and swaps them with the empty `batch`.
    fn next_batch(&self, batch: &mut Vec<u8>) {
        let mut state = self.lock();
        state.is_writing = false;
        if state.pending.is_empty() {
            self.0.idle.notify_all();
        }
        while state.pending.is_empty() {
            state = self.0.not_empty.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        std::mem::swap(batch, &mut state.pending);
    }

    /// Writes lines, and counts those that fail. Returns whether all were written. `is_torn` tells whether the stream ends
    /// with a part of a line.
    fn write(&self, output: &mut impl Write, lines: &[u8], is_torn: &mut bool) -> bool {
        let mut rest = lines;
        if *is_torn {
            match write_some(output, b"\n") {
                Ok(_) => *is_torn = false,
                Err(_) => rest = self.count_dropped(rest),
            }
        }
        let is_whole = !*is_torn;
        while !rest.is_empty() {
            match write_some(output, rest) {
                Ok(count) => {
                    *is_torn = rest[..count].last() != Some(&b'\n');
                    rest = &rest[count..];
                }
                Err(_) => {
                    self.count_dropped(rest);
                    return false;
                }
            }
        }
        is_whole
    }

    /// Counts lines that are dropped. Returns an empty rest.
    fn count_dropped(&self, lines: &[u8]) -> &'static [u8] {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.0.dropped_lines.fetch_add(count as u64, Ordering::Relaxed);
        &[]
    }

    fn lock(&self) -> MutexGuard<'_, PendingOutput> {
        // No code panics between two writes, so a poisoned state is consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a part of `bytes`. Tries again if the write is interrupted or would block.
fn write_some(output: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match output.write(bytes).and_then(|count| output.flush().map(|()| count)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            result => return result,
        }
    }
}

impl Write for BackgroundWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_lines(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for BackgroundWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundWriter")
            .field("stream", &self.0.stream_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A stream whose test decides the result of each write.
    struct Stream {
        results: Receiver<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.results.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.written.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Reader {
        results: SyncSender<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    fn stream() -> (BackgroundWriter, Reader) {
        let (results, receiver) = sync_channel(16);
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stream = Stream { results: receiver, written: Arc::clone(&written) };
        (BackgroundWriter::spawn("test", stream).unwrap(), Reader { results, written })
    }

    fn written(reader: &Reader) -> String {
        String::from_utf8(reader.written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_stream_that_blocks_does_not_block_the_caller_and_lines_that_do_not_fit_are_counted() {
        let (writer, reader) = stream();
        let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<_>>();
        let count = 3 * CAPACITY / line.len();
        for _ in 0..count {
            writer.write_lines(&line);
        }
        assert!(!writer.flush_within(Duration::from_millis(1)));
        let fits = CAPACITY / line.len();
        let dropped = usize::try_from(writer.dropped_lines()).unwrap();
        assert!((count - 2 * fits..=count - fits).contains(&dropped), "{dropped}");
        // Without a result of the test, each write succeeds.
        drop(reader.results);
        assert!(writer.flush_within(DEADLINE));
        assert_eq!(reader.written.lock().unwrap().len(), (count - dropped) * line.len());
        assert_eq!(usize::try_from(writer.dropped_lines()).unwrap(), dropped);
    }

    #[test]
    fn lines_for_a_broken_stream_are_counted_and_later_lines_are_written() {
        let (writer, reader) = stream();
        for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            reader.results.send(Err(kind.into())).unwrap();
            writer.write_lines(b"one\ntwo\n");
            assert!(writer.flush_within(DEADLINE));
        }
        assert_eq!(writer.dropped_lines(), 4);
        reader.results.send(Ok(usize::MAX)).unwrap();
        writer.write_lines(b"three\n");
        assert!(writer.flush_within(DEADLINE));
        assert_eq!((written(&reader).as_str(), writer.dropped_lines()), ("three\n", 4));
    }

    #[test]
    fn a_line_after_a_torn_line_begins_on_a_line_of_its_own() {
        let (writer, reader) = stream();
        reader.results.send(Ok(2)).unwrap();
        reader.results.send(Err(ErrorKind::StorageFull.into())).unwrap();
        writer.write_lines(b"broken\n");
        assert!(writer.flush_within(DEADLINE));
        drop(reader.results);
        writer.write_lines(b"whole\n");
        assert!(writer.flush_within(DEADLINE));
        assert_eq!(
            String::from_utf8(reader.written.lock().unwrap().clone()).unwrap(),
            "br\nwhole\n"
        );
        assert_eq!(writer.dropped_lines(), 1);
    }

    #[test]
    fn a_stream_that_would_block_is_tried_again() {
        let (writer, reader) = stream();
        for kind in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            reader.results.send(Err(kind.into())).unwrap();
        }
        reader.results.send(Ok(usize::MAX)).unwrap();
        writer.write_lines(b"line\n");
        assert!(writer.flush_within(DEADLINE));
        assert_eq!((written(&reader).as_str(), writer.dropped_lines()), ("line\n", 0));
    }
}
