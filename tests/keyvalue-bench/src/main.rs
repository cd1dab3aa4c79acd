//! Measures durable writes and reads of the key-value store in a file, beside SQLite in WAL mode with
//! `synchronous=FULL`, in alternating rounds on the same disk. Prints a table in Markdown.

mod peer;
mod store;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peer::{GroupedSqlite, Sqlite};
use store::Narrowboat;

/// The keys that are there before the measurement.
pub const KEYS: usize = 100_000;

/// The bytes of a value.
pub const VALUE_BYTES: usize = 100;

/// The tasks or threads that write at the same time.
pub const WRITERS: usize = 64;

/// The threads that read at the same time.
pub const READERS: usize = 2;

/// The length of a measurement.
pub const PERIOD: Duration = Duration::from_secs(3);

const ROUNDS: usize = 5;

/// A store that is measured.
trait Measured {
    const NAME: &str;

    /// Opens an empty store in a folder, and fills it with all keys.
    fn open(folder: &Path) -> Self;

    /// Writes with all writers, and returns the writes that were acknowledged as durable.
    fn write(&self) -> usize;

    /// Reads with all readers, and returns the reads.
    fn read(&self) -> usize;
}

fn main() {
    let parent = std::env::args().nth(1).map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&parent).expect("the folder for the files");
    let (mut sets, mut gets) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
    let rounds = std::env::args()
        .nth(2)
        .map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    for _ in 0..rounds {
        measure::<Narrowboat>(&parent, &mut sets[0], &mut gets[0]);
        measure::<GroupedSqlite>(&parent, &mut sets[1], &mut gets[1]);
        measure::<Sqlite>(&parent, &mut sets[2], &mut gets[2]);
    }
    println!(
        "| store | durable sets a second, {WRITERS} writers | reads a second, {READERS} readers |"
    );
    println!("|---|---|---|");
    let names = [Narrowboat::NAME, GroupedSqlite::NAME, Sqlite::NAME];
    for ((name, mut sets), mut gets) in names.into_iter().zip(sets).zip(gets) {
        println!("| {name} | {} | {} |", median(&mut sets), median(&mut gets));
    }
}

fn measure<M: Measured>(parent: &Path, sets: &mut Vec<f64>, gets: &mut Vec<f64>) {
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let measured = M::open(folder.path());
    for (rates, work) in [(sets, M::write as fn(&M) -> usize), (gets, M::read)] {
        let since = Instant::now();
        let count = work(&measured);
        rates.push(count as f64 / since.elapsed().as_secs_f64());
    }
}

/// The median and the range.
fn median(rates: &mut [f64]) -> String {
    rates.sort_by(f64::total_cmp);
    let rates: &[f64] = rates;
    let [first, .., last] = rates else { return String::new() };
    format!("{:.0} ({first:.0} to {last:.0})", rates[rates.len() / 2])
}

/// Random numbers of one writer or reader.
pub struct Keys(u64);

impl Keys {
    pub fn new(seed: usize) -> Self {
        Self(seed as u64 * 7_919 + 12_345)
    }

    pub fn next(&mut self) -> String {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        key(self.0 as usize % KEYS)
    }
}

pub fn key(at: usize) -> String {
    format!("key-{at:08}")
}
