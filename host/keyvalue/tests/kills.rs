//! A process that is killed while it writes loses nothing that was acknowledged, and has nothing that was never written.
//!
//! The test runs this file's program again as a child, which writes with many tasks and prints each acknowledgement. The
//! parent kills it at a random moment and opens the store. `NARROWBOAT_KILLS` is the number of kills.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test it is the assertion")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use narrowboat_config::{KeyvalueBackend, KeyvalueConfig};
use narrowboat_core::units::ByteSize;
use narrowboat_keyvalue::{Bucket, KeyTtl, KeyvalueStore};
use narrowboat_quota::QuotaChain;

/// The variable with the folder of the store, which only the child has.
const FOLDER: &str = "NARROWBOAT_KILLS_FOLDER";

/// The variable with the number of kills.
const KILLS: &str = "NARROWBOAT_KILLS";

/// The kills without the variable.
const DEFAULT_KILLS: usize = 30;

/// The tasks that write. Each has keys of its own.
const WRITERS: usize = 64;

/// The keys of each task.
const KEYS: usize = 8;

/// The time to live of values that expire.
const TTL: Duration = Duration::from_secs(3_600);

fn open(folder: &Path) -> KeyvalueStore {
    let config = KeyvalueConfig {
        backend: KeyvalueBackend::File { folder: folder.to_owned() },
        quota: ByteSize::mib(256),
        max_value: ByteSize::mib(1),
        max_key: ByteSize::kib(1),
    };
    KeyvalueStore::open(&config).unwrap()
}

fn bucket() -> Bucket {
    Bucket::new(&"default".parse().unwrap(), "kills".to_owned()).unwrap()
}

fn key(writer: usize, at: usize) -> String {
    format!("{writer}/{at}")
}

/// The value of a key after some writes: the number of the write, and bytes that follow from it, of changing length.
fn value(writer: usize, at: usize, number: u64) -> Vec<u8> {
    let len = (number as usize * 37 + writer * 11 + at) % 3_000;
    let mut value = number.to_string().into_bytes();
    value.push(b' ');
    value.extend((0..len).map(|i| (number as usize + writer + at + i) as u8));
    value
}

fn number_of(value: &[u8]) -> u64 {
    let text = value.split(|byte| *byte == b' ').next().unwrap();
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Whether the value of a write expires.
fn expires(number: u64) -> bool {
    number.is_multiple_of(3)
}

/// Writes until it is killed. Prints `+ KEY NUMBER` before a write, and `= KEY NUMBER` when it is acknowledged.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let store = Arc::new(open(Path::new(&folder)));
        println!("open");
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write_for_ever(Arc::clone(&store), writer)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn write_for_ever(store: Arc<KeyvalueStore>, writer: usize) {
    let (bucket, chain) = (bucket(), QuotaChain::default());
    let mut numbers = [0; KEYS];
    for (at, number) in numbers.iter_mut().enumerate() {
        let stored = store.get(&bucket, &key(writer, at)).await.unwrap();
        *number = stored.map_or(0, |value| number_of(&value));
    }
    for at in (0..KEYS).cycle() {
        let (key, number) = (key(writer, at), numbers[at] + 1);
        say(&format!("+ {key} {number}\n"));
        let value = value(writer, at, number);
        match expires(number) {
            true => store.set_with_ttl(&bucket, &key, value, TTL, &chain).await.unwrap(),
            false => store.set(&bucket, &key, value, &chain).await.unwrap(),
        }
        say(&format!("= {key} {number}\n"));
        numbers[at] = number;
    }
}

/// Writes a line to the parent at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The writes of a key that the child has told of.
#[derive(Default, Clone, Copy)]
struct Told {
    begun: u64,
    acknowledged: u64,
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_and_has_nothing_never_written() {
    let kills = std::env::var(KILLS).map_or(DEFAULT_KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut told: HashMap<String, Told> = HashMap::new();
    let mut acknowledged = 0;
    for kill in 0..kills {
        run_and_kill(folder.path(), &mut told);
        let found = read_all(folder.path());
        for (key, told) in &mut told {
            let number = found.get(key).copied().unwrap_or_default();
            assert!(number >= told.acknowledged, "kill {kill}: {key} is lost: {number}");
            assert!(number <= told.begun, "kill {kill}: {key} was never written: {number}");
            acknowledged += told.acknowledged;
            *told = Told { begun: number, acknowledged: number };
        }
        assert!(found.keys().all(|key| told.contains_key(key)), "kill {kill}: a foreign key");
    }
    assert!(acknowledged > 0, "the child wrote nothing");
}

/// Runs the child, and kills it at a random moment.
fn run_and_kill(folder: &Path, told: &mut HashMap<String, Told>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_that_writes", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The child has opened the store, so that the kill meets its writes.
    assert!(lines.any(|line| line.unwrap().ends_with("open")), "the child does not open the store");
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            // The last line may be cut off by the kill.
            lines.map_while(Result::ok).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_micros(u64::from(nanos / 1_000 % 100_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reading.join().unwrap() {
            let words: Vec<_> = line.split(' ').collect();
            let [kind @ ("+" | "="), key, number] = &*words else { continue };
            let number = number.parse().unwrap();
            let told = told.entry((*key).to_owned()).or_default();
            match *kind {
                "+" => told.begun = told.begun.max(number),
                _ => told.acknowledged = told.acknowledged.max(number),
            }
        }
    });
}

/// Opens the store, and returns the number of the last write of each key. Each value has to be whole.
fn read_all(folder: &Path) -> HashMap<String, u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, bucket) = (open(folder), bucket());
        let mut numbers = HashMap::new();
        for writer in 0..WRITERS {
            for at in 0..KEYS {
                let key = key(writer, at);
                let Some(stored) = store.get(&bucket, &key).await.unwrap() else { continue };
                let number = number_of(&stored);
                assert!(stored == value(writer, at, number), "{key} is damaged");
                let ttl = store.ttl(&bucket, &key).await.unwrap();
                assert_eq!(matches!(ttl, KeyTtl::Remaining(_)), expires(number), "{key}: {ttl:?}");
                numbers.insert(key, number);
            }
        }
        let used: usize = store.used_bytes(&"default".parse().unwrap()).unwrap() as usize;
        let mut expected = 0;
        for (key, number) in &numbers {
            let (writer, at) = key.split_once('/').unwrap();
            let value = value(writer.parse().unwrap(), at.parse().unwrap(), *number);
            expected += 128 + bucket_name().len() + key.len() + value.len();
        }
        assert_eq!(used, expected, "the quota counts what is there");
        numbers
    })
}

fn bucket_name() -> &'static str {
    "kills"
}
