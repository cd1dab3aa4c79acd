//! A writer for standard output and standard error that never blocks its caller: a thread of its own writes, and lines
//! that find the buffer full, or the stream broken, are dropped and counted.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that wait to be written; a line that does not fit is dropped. As many are being written meanwhile.
pub const CAPACITY: usize = 1 << 20;

/// Bytes of a buffer that are kept when it is empty.
const RETAINED_CAPACITY: usize = 64 << 10;

/// The pause before a stream is tried again that is full and does not block.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Writes to one stream on a thread of its own. A clone writes to the same.
#[derive(Clone)]
pub struct BackgroundWriter(Arc<Inner>);

struct Inner {
    /// What the stream is called where dropped lines are told.
    stream_name: &'static str,
    state: Mutex<PendingOutput>,
    /// There is something to write.
    not_empty: Condvar,
    /// Everything has been written or dropped.
    idle: Condvar,
    /// Lines that were not written.
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
    /// When there is no thread for it.
    pub fn stdout() -> io::Result<Self> {
        // A descriptor of its own: a write that blocks must not hold the lock of `io::stdout()`.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::spawn("stdout", File::from(descriptor)),
            Err(_) => Self::spawn("stdout", io::stdout()),
        }
    }

    /// Writes to standard error.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn stderr() -> io::Result<Self> {
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::spawn("stderr", File::from(descriptor)),
            Err(_) => Self::spawn("stderr", io::stderr()),
        }
    }

    /// Writes to `output`, which dropped lines call `stream`.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn spawn(stream: &'static str, output: impl Write + Send + 'static) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            stream_name: stream,
            state: Mutex::default(),
            not_empty: Condvar::new(),
            idle: Condvar::new(),
            dropped_lines: AtomicU64::new(0),
        });
        let writer = Self(inner);
        let own = writer.clone();
        thread::Builder::new().name(stream.to_owned()).spawn(move || own.run(output))?;
        Ok(writer)
    }

    /// Appends whole lines, which are dropped together where there is no room for all of them.
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
        // Else the thread has been woken already.
        if was_empty {
            self.0.not_empty.notify_one();
        }
    }

    /// What the stream is called.
    pub fn stream_name(&self) -> &'static str {
        self.0.stream_name
    }

    /// Lines that were not written since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.0.dropped_lines.load(Ordering::Relaxed)
    }

    /// Waits until every line so far has been written or dropped, but not for longer than `limit`; whether that was
    /// enough.
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
        let (mut batch, mut told, mut is_torn) = (Vec::new(), 0, false);
        loop {
            self.next_batch(&mut batch);
            let is_written = self.write(&mut output, &batch, &mut is_torn);
            batch.clear();
            batch.shrink_to(RETAINED_CAPACITY);
            let dropped = self.dropped_lines();
            if is_written && dropped > told {
                let count = dropped - told;
                tracing::warn!("{} takes lines again: {count} lines dropped", self.0.stream_name);
                told = dropped;
            }
        }
    }

    /// Waits for lines, and exchanges them for an empty buffer.
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

    /// Writes lines, or counts those that the stream does not take. `is_torn` is whether it has got a part of a line.
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

    /// Counts lines that are not written; none are left.
    fn count_dropped(&self, lines: &[u8]) -> &'static [u8] {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.0.dropped_lines.fetch_add(count as u64, Ordering::Relaxed);
        &[]
    }

    fn lock(&self) -> MutexGuard<'_, PendingOutput> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a part of some bytes, however often that is interrupted or would block.
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

    /// A stream whose reader decides what becomes of each write.
    struct Stream {
        answers: Receiver<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.answers.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.written.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Reader {
        answers: SyncSender<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    fn stream() -> (BackgroundWriter, Reader) {
        let (answers, answered) = sync_channel(16);
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stream = Stream { answers: answered, written: Arc::clone(&written) };
        (BackgroundWriter::spawn("test", stream).unwrap(), Reader { answers, written })
    }

    fn written(reader: &Reader) -> String {
        String::from_utf8(reader.written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_stream_that_does_not_take_lines_holds_nobody_up_and_what_has_no_room_is_counted() {
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
        // Without a reader's answers everything is taken.
        drop(reader.answers);
        assert!(writer.flush_within(DEADLINE));
        assert_eq!(reader.written.lock().unwrap().len(), (count - dropped) * line.len());
        assert_eq!(usize::try_from(writer.dropped_lines()).unwrap(), dropped);
    }

    #[test]
    fn lines_for_a_broken_stream_are_counted_and_the_next_ones_tried() {
        let (writer, reader) = stream();
        for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            reader.answers.send(Err(kind.into())).unwrap();
            writer.write_lines(b"one\ntwo\n");
            assert!(writer.flush_within(DEADLINE));
        }
        assert_eq!(writer.dropped_lines(), 4);
        reader.answers.send(Ok(usize::MAX)).unwrap();
        writer.write_lines(b"three\n");
        assert!(writer.flush_within(DEADLINE));
        assert_eq!((written(&reader).as_str(), writer.dropped_lines()), ("three\n", 4));
    }

    #[test]
    fn a_line_after_a_part_of_one_begins_a_line() {
        let (writer, reader) = stream();
        reader.answers.send(Ok(2)).unwrap();
        reader.answers.send(Err(ErrorKind::StorageFull.into())).unwrap();
        writer.write_lines(b"broken\n");
        assert!(writer.flush_within(DEADLINE));
        drop(reader.answers);
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
            reader.answers.send(Err(kind.into())).unwrap();
        }
        reader.answers.send(Ok(usize::MAX)).unwrap();
        writer.write_lines(b"line\n");
        assert!(writer.flush_within(DEADLINE));
        assert_eq!((written(&reader).as_str(), writer.dropped_lines()), ("line\n", 0));
    }
}
