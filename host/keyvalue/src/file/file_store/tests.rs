//! Tests of a store whose disk fails.

use std::fs::File;
use std::io;
use std::sync::Mutex;

use super::super::disk_file::DiskFile;
use super::super::restore::restore_backup;
use super::super::store_folder::Disk;
use super::super::tables::{ENTRIES, EXPIRIES, EXPIRIES_1, FORMAT, FORMAT_KEY, FORMAT_VERSION};
use super::super::writer::REOPEN_INTERVAL;
use super::*;

/// The faults of a disk.
#[derive(Debug, Default)]
struct Faults {
    /// The length that no file may exceed.
    room: Mutex<Option<u64>>,
    /// The calls of `fsync` until the one that fails.
    syncs_left: Mutex<Option<usize>>,
}

#[derive(Debug)]
struct FaultyDisk {
    file: File,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    fn check_room(&self, end: u64) -> io::Result<()> {
        match *self.faults.room.lock().unwrap() {
            Some(room) if end > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl DiskFile for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.file)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        DiskFile::read_at(&self.file, offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_room(offset + data.len() as u64)?;
        DiskFile::write_at(&self.file, offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // A sparse file takes no room, so a disk is full only when a page is written.
        DiskFile::set_len(&self.file, len)
    }

    fn sync(&self) -> io::Result<()> {
        match &mut *self.faults.syncs_left.lock().unwrap() {
            Some(0) => return Err(io::Error::from_raw_os_error(5)),
            Some(left) => *left -= 1,
            None => {}
        }
        DiskFile::sync(&self.file)
    }
}

/// A store on a disk with faults.
struct FaultyStore {
    store: FileStore,
    faults: Arc<Faults>,
    bucket: Bucket,
}

impl FaultyStore {
    fn open(folder: &Path) -> Self {
        let faults = Arc::new(Faults::default());
        let of_disk = Arc::clone(&faults);
        let disk =
            Disk(Box::new(move |file| Box::new(FaultyDisk { file, faults: Arc::clone(&of_disk) })));
        let store = FileStore::start(StoreFolder::open_with(folder, disk).unwrap()).unwrap();
        let bucket = Bucket::new(&Tenant::default_tenant(), "notes".to_owned()).unwrap();
        Self { store, faults, bucket }
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyvalueError> {
        self.store.set(&self.bucket, vec![(key.to_owned(), value)], None, usize::MAX).await
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.store.get(&self.bucket, key).await.unwrap()
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_loses_nothing_and_writes_go_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(folder.path());
    store.set("kept", vec![1; 1_000]).await.unwrap();
    *store.faults.room.lock().unwrap() =
        Some(std::fs::metadata(store.store.folder.file()).unwrap().len());
    let mut stored = 0;
    let error = loop {
        match store.set(&format!("key {stored}"), vec![2; 100_000]).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, KeyvalueError::DiskFull(_)), "{error}");
    assert!(matches!(store.store.condition(), StoreCondition::Full(_)));
    // The store tries the disk again after a second.
    let since = std::time::Instant::now();
    while since.elapsed() < REOPEN_INTERVAL + Duration::from_millis(200) {
        let error = store.set("other", vec![2; 100_000]).await.unwrap_err();
        assert!(matches!(error, KeyvalueError::DiskFull(_)), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.get(&format!("key {stored}")).await, None);
    assert_eq!(store.get("kept").await.unwrap(), vec![1; 1_000]);
    for at in 0..stored {
        assert_eq!(store.get(&format!("key {at}")).await.unwrap().len(), 100_000);
    }
    *store.faults.room.lock().unwrap() = None;
    let since = std::time::Instant::now();
    while let Err(error) = store.set("later", vec![3]).await {
        assert!(matches!(error, KeyvalueError::DiskFull(_)), "{error}");
        assert!(since.elapsed() < Duration::from_secs(30), "the store takes no writes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.store.condition(), StoreCondition::Healthy);
    drop(store);
    let store = FaultyStore::open(folder.path());
    assert_eq!(store.get("kept").await.unwrap(), vec![1; 1_000]);
    assert_eq!(store.get("later").await.unwrap(), [3]);
    for at in 0..stored {
        assert_eq!(store.get(&format!("key {at}")).await.unwrap().len(), 100_000);
    }
}

#[tokio::test]
async fn a_compaction_and_a_backup_on_a_full_disk_say_so_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(folder.path());
    store.set("kept", vec![1]).await.unwrap();
    *store.faults.room.lock().unwrap() = Some(0);
    let (compacted, backup) = (store.store.compact().await, store.store.back_up().await);
    for error in [compacted.unwrap_err(), backup.unwrap_err()] {
        assert!(matches!(error, KeyvalueError::DiskFull(_)), "{error}");
    }
    *store.faults.room.lock().unwrap() = None;
    store.set("later", vec![2]).await.unwrap();
    assert_eq!(store.get("kept").await.unwrap(), [1]);
    drop(store);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 2, "{files:?}");
}

#[tokio::test]
async fn a_failed_fsync_makes_the_store_read_only_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(folder.path());
    store.set("kept", vec![1]).await.unwrap();
    *store.faults.syncs_left.lock().unwrap() = Some(0);
    let error = store.set("lost", vec![2]).await.unwrap_err();
    assert!(matches!(error, KeyvalueError::ReadOnly(_)), "{error}");
    *store.faults.syncs_left.lock().unwrap() = None;
    let error = store.set("after", vec![3]).await.unwrap_err();
    assert!(matches!(error, KeyvalueError::ReadOnly(_)), "a later fsync proves nothing: {error}");
    assert!(matches!(store.store.condition(), StoreCondition::ReadOnly(_)));
    assert_eq!(store.get("kept").await.unwrap(), [1]);
    assert_eq!(store.get("lost").await, None);
    assert!(store.store.compact().await.is_err());
    drop(store);
    let store = FaultyStore::open(folder.path());
    assert_eq!(store.get("kept").await.unwrap(), [1]);
    assert_eq!(store.get("after").await, None);
    store.set("after", vec![3]).await.unwrap();
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let error = FileStore::open(folder.path()).unwrap_err().to_string();
    let file = folder.path().join("keyvalue.redb");
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    assert!(error.contains("restarts must not overlap"), "{error}");
    drop(store);
    FileStore::open(folder.path()).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyvalue.redb");
    std::fs::write(&file, "something else").unwrap();
    let error = FileStore::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("narrowboat kv restore"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"something else");
}

#[tokio::test]
async fn a_file_of_an_earlier_format_is_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(folder.path());
    let bucket = store.bucket.clone();
    let hour = Duration::from_secs(3_600);
    let entries = vec![("a".to_owned(), vec![1])];
    store.store.set(&bucket, entries, Some(hour), usize::MAX).await.unwrap();
    let used = store.store.used_bytes(&Tenant::default_tenant());
    drop(store);
    make_format_1(&folder.path().join("keyvalue.redb"));
    let store = FaultyStore::open(folder.path());
    assert!(matches!(store.store.ttl(&bucket, "a").await, Ok(KeyTtl::Remaining(_))));
    // The entry is in the index: a change of its time finds it there.
    let short = Some(Duration::from_millis(1));
    assert!(store.store.set_ttl(&bucket, "a", short).await.unwrap());
    assert_eq!(store.store.used_bytes(&Tenant::default_tenant()), used);
    let since = std::time::Instant::now();
    while store.store.used_bytes(&Tenant::default_tenant()) > 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "the entry is not removed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_store_or_a_backup_of_a_later_format_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, backup) = (folder.path().join("keyvalue.redb"), folder.path().join("backup"));
    drop(FaultyStore::open(folder.path()));
    set_format(&file, FORMAT_VERSION + 1);
    let error = FileStore::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("a later release of Narrowboat wrote this store"), "{error}");
    std::fs::copy(&file, &backup).unwrap();
    set_format(&file, FORMAT_VERSION);
    let before = std::fs::read(&file).unwrap();
    let error = restore_backup(folder.path(), &backup, true).unwrap_err().to_string();
    assert!(error.contains("a later release of Narrowboat wrote this store"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_backup_of_an_earlier_format_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (file, backup) = (folder.path().join("keyvalue.redb"), folder.path().join("backup"));
    let store = FaultyStore::open(folder.path());
    store.set("kept", vec![1]).await.unwrap();
    drop(store);
    make_format_1(&file);
    std::fs::rename(&file, &backup).unwrap();
    restore_backup(folder.path(), &backup, false).unwrap();
    assert_eq!(FaultyStore::open(folder.path()).get("kept").await.unwrap(), [1]);
}

/// Writes the version of the format of a file.
fn set_format(file: &Path, format: u64) {
    let database = redb::Database::open(file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(FORMAT).unwrap().insert(FORMAT_KEY, format).unwrap();
    transaction.commit().unwrap();
}

/// Gives a file the index of expiry that format 1 has.
fn make_format_1(file: &Path) {
    let database = redb::Database::open(file).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let (entries, mut expiries) =
            (transaction.open_table(ENTRIES).unwrap(), transaction.open_table(EXPIRIES_1).unwrap());
        for row in redb::ReadableTable::iter(&entries).unwrap() {
            let (key, value) = row.unwrap();
            let expiry = [&value.value()[..8], key.value()].concat();
            expiries.insert(expiry.as_slice(), ()).unwrap();
        }
    }
    transaction.delete_table(EXPIRIES).unwrap();
    transaction.commit().unwrap();
    drop(database);
    set_format(file, 1);
}
