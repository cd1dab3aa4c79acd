//! SQLite in WAL mode with `synchronous=FULL`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::{KEYS, Keys, Measured, PERIOD, READERS, VALUE_BYTES, WRITERS, key};

const INSERT: &str = "INSERT OR REPLACE INTO entries VALUES (?, ?)";

/// SQLite with a connection and a transaction for each writer.
pub struct Sqlite(PathBuf);

/// SQLite behind one thread that commits what waits in one transaction.
pub struct GroupedSqlite(Sqlite);

fn connect(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a connection");
    connection.busy_timeout(Duration::from_secs(60)).expect("a timeout");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL mode");
    connection.pragma_update(None, "synchronous", "FULL").expect("durable commits");
    connection
}

impl Measured for Sqlite {
    const NAME: &str = "SQLite, a transaction for each write";

    fn open(folder: &Path) -> Self {
        let file = folder.join("sqlite");
        let mut connection = connect(&file);
        connection
            .execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID", [])
            .expect("a table");
        let transaction = connection.transaction().expect("a transaction");
        for at in 0..KEYS {
            transaction.execute(INSERT, (key(at), vec![7; VALUE_BYTES])).expect("a write");
        }
        transaction.commit().expect("a commit");
        Self(file)
    }

    fn write(&self) -> usize {
        let end = Instant::now() + PERIOD;
        in_parallel(WRITERS, |writer| {
            let (connection, mut keys, mut count) = (connect(&self.0), Keys::new(writer), 0);
            let mut insert = connection.prepare(INSERT).expect("a statement");
            while Instant::now() < end {
                insert.execute((keys.next(), vec![3; VALUE_BYTES])).expect("a write");
                count += 1;
            }
            count
        })
    }

    fn read(&self) -> usize {
        let end = Instant::now() + PERIOD;
        in_parallel(READERS, |reader| {
            let (connection, mut keys, mut count) = (connect(&self.0), Keys::new(reader), 0);
            let mut select =
                connection.prepare("SELECT value FROM entries WHERE key = ?").expect("a statement");
            while Instant::now() < end {
                let value: Vec<u8> =
                    select.query_row([keys.next()], |row| row.get(0)).expect("a value");
                count += value.len() / VALUE_BYTES;
            }
            count
        })
    }
}

/// A write that waits, and who waits for it.
type Waiting = (String, SyncSender<()>);

impl Measured for GroupedSqlite {
    const NAME: &str = "SQLite, behind a thread with group commit";

    fn open(folder: &Path) -> Self {
        Self(Sqlite::open(folder))
    }

    fn write(&self) -> usize {
        let end = Instant::now() + PERIOD;
        let (sender, receiver) = sync_channel::<Waiting>(1_024);
        std::thread::scope(|scope| {
            scope.spawn(|| commit_groups(&self.0.0, receiver));
            let writers = |writer| {
                let (sender, mut keys, mut count) = (sender.clone(), Keys::new(writer), 0);
                let (done, is_done) = sync_channel(1);
                while Instant::now() < end {
                    sender.send((keys.next(), done.clone())).expect("the writer");
                    is_done.recv().expect("an acknowledgement");
                    count += 1;
                }
                count
            };
            let count = in_parallel(WRITERS, writers);
            drop(sender);
            count
        })
    }

    fn read(&self) -> usize {
        self.0.read()
    }
}

fn commit_groups(file: &Path, receiver: Receiver<Waiting>) {
    let mut connection = connect(file);
    while let Ok(first) = receiver.recv() {
        let group: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).take(1_024).collect();
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut insert = transaction.prepare_cached(INSERT).expect("a statement");
            for (key, _) in &group {
                insert.execute((key, vec![3; VALUE_BYTES])).expect("a write");
            }
        }
        transaction.commit().expect("a commit");
        for (_, done) in group {
            done.send(()).expect("the writer waits");
        }
    }
}

/// Runs a count on some threads, and returns the sum.
fn in_parallel(threads: usize, count: impl Fn(usize) -> usize + Sync) -> usize {
    std::thread::scope(|scope| {
        let count = &count;
        let running: Vec<_> = (0..threads).map(|at| scope.spawn(move || count(at))).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    })
}
