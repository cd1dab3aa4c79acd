//! The behaviour of every backend of the key-value store, one sentence in each test. The tests use only the public
//! interface, and run against each backend. Some run only against backends that keep keys in order.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narrowboat_config::{
    Endpoint, KeyvalueBackend, KeyvalueConfig, RedisAccess, RedisHost, RedisServer as RedisAddress,
};
use narrowboat_core::units::ByteSize;
use narrowboat_keyvalue::{
    Bucket, KeyTtl, KeyvalueError, KeyvalueStore, MAX_BATCH_BYTES, MAX_BATCH_KEYS,
};
use narrowboat_quota::QuotaChain;
use support::RedisServer;

// The layers need the same server.
#[path = "../../channels/tests/support/mod.rs"]
mod support;

macro_rules! conformance {
    ($module:ident, $backend:expr; $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    use super::*;
                    run(async { $case(&$backend).await });
                }
            )*
        }
    };
}

macro_rules! of_every_backend {
    ($module:ident, $backend:expr) => {
        conformance! { $module, $backend;
            a_value_is_found_until_it_is_deleted
            an_empty_value_exists
            a_value_may_be_any_bytes
            buckets_and_tenants_share_no_keys
            a_bucket_of_the_host_is_no_bucket_of_a_tenant_and_counts_in_no_quota
            the_limits_of_keys_and_values_are_not_for_buckets_of_the_host
            keys_and_values_have_limits
            a_batch_has_the_values_in_the_order_of_its_keys
            a_batch_is_set_whole_or_not_at_all
            the_last_of_two_entries_with_one_key_counts
            a_batch_has_limits
            a_batch_deletes_the_keys_that_are_there
            an_increment_adds_to_an_integer
            a_value_that_is_no_integer_is_not_incremented
            concurrent_increments_lose_nothing
            a_value_is_compared_and_set
            concurrent_appends_by_compare_and_set_keep_all
            a_key_expires
            an_expired_key_is_missing_for_every_operation
            a_set_clears_the_time_to_live_and_a_change_keeps_it
            the_time_to_live_of_a_key_can_be_changed
            a_time_to_live_has_bounds
            the_pages_have_each_key_once
            a_list_has_the_keys_with_the_prefix
            a_prefix_is_text_and_no_pattern
            over_the_quota_entries_can_shrink_but_not_grow
            an_entry_counts_its_key_its_value_its_bucket_and_128_bytes
            a_time_to_live_counts_no_bytes
            expired_entries_count_in_no_quota
        }
    };
}

macro_rules! of_backends_that_keep_order {
    ($module:ident, $backend:expr) => {
        conformance! { $module, $backend;
            pages_are_in_order_and_have_the_limit
            a_cursor_goes_on_where_its_page_ended_after_changes
        }
    };
}

mod in_memory {
    use super::*;
    of_every_backend!(every, Memory);
    of_backends_that_keep_order!(ordered, Memory);
}

mod in_a_file {
    use super::*;
    of_every_backend!(every, InFile::new());
    of_backends_that_keep_order!(ordered, InFile::new());
    conformance! { own, InFile::new();
        values_times_to_live_and_usage_outlive_the_store
        a_backup_has_the_state_of_one_moment
        a_compaction_keeps_every_entry_and_shrinks_the_file
        expired_entries_are_removed_without_a_write
    }
}

mod in_redis {
    use super::*;
    of_every_backend!(every, Redis::start());
    conformance! { own, Redis::start();
        a_cursor_that_is_none_is_refused
        two_hosts_share_values_and_quota
        what_an_earlier_release_stored_is_found
    }
}

/// The time limit for a test.
const DEADLINE: Duration = Duration::from_secs(60);

/// A time to live that a test can wait for.
const SHORT: Duration = Duration::from_millis(30);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.unwrap() });
}

/// A backend of the store.
trait Backend {
    fn backend(&self) -> KeyvalueBackend;

    /// Opens the store with a quota in bytes.
    fn open(&self, quota: usize) -> Store {
        let config = KeyvalueConfig {
            backend: self.backend(),
            quota: ByteSize::from(quota),
            max_value: ByteSize::mib(1),
            max_key: ByteSize::kib(1),
        };
        Store { store: KeyvalueStore::open(&config).unwrap(), chain: QuotaChain::default() }
    }
}

struct Memory;

impl Backend for Memory {
    fn backend(&self) -> KeyvalueBackend {
        KeyvalueBackend::Memory
    }
}

struct InFile(tempfile::TempDir);

impl InFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Backend for InFile {
    fn backend(&self) -> KeyvalueBackend {
        KeyvalueBackend::File { folder: self.0.path().join("keyvalue") }
    }
}

struct Redis(RedisServer);

impl Redis {
    fn start() -> Self {
        Self(RedisServer::start())
    }

    /// Runs a command, past the store.
    fn ask(&self, words: &[&str]) {
        let client = redis::Client::open(("127.0.0.1", self.0.port)).unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.exec(&mut client.get_connection().unwrap()).unwrap();
    }
}

impl Backend for Redis {
    fn backend(&self) -> KeyvalueBackend {
        let host = RedisHost::Server(RedisAddress {
            endpoint: Endpoint::Tcp("127.0.0.1".to_owned(), self.0.port),
            access: RedisAccess::default(),
        });
        KeyvalueBackend::Redis {
            host: Box::new(host),
            prefix: "keyvalue".to_owned(),
            room_lease: Duration::from_secs(10),
        }
    }
}

/// A store, with short calls.
struct Store {
    store: KeyvalueStore,
    chain: QuotaChain,
}

impl Store {
    async fn get(&self, bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
        self.store.get(bucket, key).await.unwrap()
    }

    async fn set(&self, bucket: &Bucket, key: &str, value: &[u8]) {
        self.try_set(bucket, key, value).await.unwrap();
    }

    async fn try_set(&self, bucket: &Bucket, key: &str, value: &[u8]) -> Result<(), KeyvalueError> {
        self.store.set(bucket, key, value.to_vec(), &self.chain).await
    }

    async fn set_for(&self, bucket: &Bucket, key: &str, value: &[u8], ttl: Duration) {
        self.store.set_with_ttl(bucket, key, value.to_vec(), ttl, &self.chain).await.unwrap();
    }

    async fn set_many(
        &self,
        bucket: &Bucket,
        entries: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<(), KeyvalueError> {
        self.store.set_many(bucket, entries.into_iter().collect(), &self.chain).await
    }

    async fn add(&self, bucket: &Bucket, key: &str, delta: i64) -> Result<i64, KeyvalueError> {
        self.store.increment(bucket, key, delta, &self.chain).await
    }

    async fn swap(
        &self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, KeyvalueError> {
        self.store.compare_and_set(bucket, key, expected, value.to_vec(), &self.chain).await
    }

    async fn exists(&self, bucket: &Bucket, key: &str) -> bool {
        self.store.exists(bucket, key).await.unwrap()
    }

    async fn ttl(&self, bucket: &Bucket, key: &str) -> KeyTtl {
        self.store.ttl(bucket, key).await.unwrap()
    }

    /// Returns all keys with a prefix, in pages, in order.
    async fn list(&self, bucket: &Bucket, prefix: &str, limit: usize) -> Vec<String> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.list(bucket, prefix, cursor.as_deref(), limit).await.unwrap();
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort();
                return keys;
            }
        }
    }

    /// Waits until a key has expired.
    async fn until_expired(&self, bucket: &Bucket, key: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.exists(bucket, key).await {
            assert!(Instant::now() < deadline, "{key} does not expire");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// More than all entries of a test take.
const AMPLE: usize = 1 << 30;

fn bucket(name: &str) -> Bucket {
    bucket_of("default", name)
}

fn bucket_of(tenant: &str, name: &str) -> Bucket {
    Bucket::new(&tenant.parse().unwrap(), name.to_owned()).unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{at:04}")).collect()
}

async fn a_value_is_found_until_it_is_deleted(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    assert_eq!(store.get(&notes, "a").await, None);
    assert!(!store.exists(&notes, "a").await);
    store.set(&notes, "a", b"one").await;
    store.set(&notes, "a", b"two").await;
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"two");
    assert!(store.exists(&notes, "a").await);
    store.store.delete(&notes, "a").await.unwrap();
    store.store.delete(&notes, "a").await.unwrap();
    assert_eq!(store.get(&notes, "a").await, None);
}

async fn an_empty_value_exists(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    store.set(&notes, "a", b"").await;
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"");
    assert!(store.exists(&notes, "a").await);
}

async fn a_value_may_be_any_bytes(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let value: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    store.set(&notes, "\u{0}é:\n", &value).await;
    assert_eq!(store.get(&notes, "\u{0}é:\n").await.unwrap(), value);
    assert_eq!(store.list(&notes, "\u{0}é", 10).await, ["\u{0}é:\n"]);
}

async fn buckets_and_tenants_share_no_keys(backend: &impl Backend) {
    let store = backend.open(AMPLE);
    let own = bucket_of("acme", "notes");
    let others = [
        bucket_of("acme", "note"),
        bucket_of("acme", "notes2"),
        bucket_of("acm", "notes"),
        bucket("notes"),
    ];
    store.set(&own, "key", b"1").await;
    for other in &others {
        assert_eq!(store.get(other, "key").await, None);
        store.store.delete(other, "key").await.unwrap();
        assert!(store.list(other, "", 10).await.is_empty());
    }
    assert_eq!(store.get(&own, "key").await.unwrap(), b"1");
}

async fn a_bucket_of_the_host_is_no_bucket_of_a_tenant_and_counts_in_no_quota(
    backend: &impl Backend,
) {
    let (store, own) = (backend.open(10), Bucket::system("notes"));
    store.set(&own, "key", b"1").await;
    assert_eq!(store.add(&own, "key", 1).await, Ok(2));
    assert_eq!(store.get(&own, "key").await.unwrap(), b"2");
    assert_eq!(store.get(&bucket("notes"), "key").await, None);
    assert_eq!(store.list(&own, "", 10).await, ["key"]);
    assert!(store.try_set(&bucket("notes"), "key", b"1").await.is_err());
}

async fn the_limits_of_keys_and_values_are_not_for_buckets_of_the_host(backend: &impl Backend) {
    let (store, own) = (backend.open(10), Bucket::system("notes"));
    let (key, value) = ("k".repeat(1025), vec![0; (1 << 20) + 1]);
    store.set(&own, &key, &value).await;
    assert_eq!(store.get(&own, &key).await.unwrap(), value);
}

async fn keys_and_values_have_limits(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let (key, most) = ("k".repeat(1025), 1024);
    let too_long = KeyvalueError::KeyTooLong { len: 1025, most };
    assert_eq!(store.store.get(&notes, &key).await, Err(too_long.clone()));
    assert_eq!(store.try_set(&notes, &key, b"").await, Err(too_long.clone()));
    assert_eq!(store.set_many(&notes, [(key.clone(), vec![])]).await, Err(too_long.clone()));
    assert_eq!(store.store.list(&notes, &key, None, 1).await, Err(too_long));
    store.set(&notes, &key[1..], b"").await;
    assert_eq!(store.try_set(&notes, "", b"").await, Err(KeyvalueError::EmptyKey));
    let (value, most) = (vec![0; (1 << 20) + 1], 1 << 20);
    let too_long = KeyvalueError::ValueTooLong { len: most + 1, most };
    assert_eq!(store.try_set(&notes, "a", &value).await, Err(too_long.clone()));
    assert_eq!(store.swap(&notes, "a", None, &value).await, Err(too_long));
    store.set(&notes, "a", &value[1..]).await;
}

async fn a_batch_has_the_values_in_the_order_of_its_keys(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let entries = [("a", "1"), ("b", ""), ("c", "3")];
    store.set_many(&notes, entries.map(|(key, value)| (key.into(), value.into()))).await.unwrap();
    let keys = ["c", "missing", "a", "b", "c"].map(str::to_owned);
    let values = store.store.get_many(&notes, &keys).await.unwrap();
    let expected = [Some("3"), None, Some("1"), Some(""), Some("3")];
    assert_eq!(values, expected.map(|value| value.map(|value| value.as_bytes().to_vec())));
    assert!(store.store.get_many(&notes, &[]).await.unwrap().is_empty());
}

async fn a_batch_is_set_whole_or_not_at_all(backend: &impl Backend) {
    let (store, notes) = (backend.open(2_000), bucket("notes"));
    store.set(&notes, "a", b"before").await;
    let entries = ["a", "b", "c"].map(|key| (key.to_owned(), vec![0; 600]));
    let over = Err(KeyvalueError::QuotaExceeded { quota: 2_000 });
    assert_eq!(store.set_many(&notes, entries.clone()).await, over);
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"before");
    assert_eq!(store.list(&notes, "", 10).await, ["a"]);
    store.set_many(&notes, entries.map(|(key, _)| (key, vec![0; 500]))).await.unwrap();
    assert_eq!(store.list(&notes, "", 10).await, ["a", "b", "c"]);
    store.set_many(&notes, []).await.unwrap();
}

async fn the_last_of_two_entries_with_one_key_counts(backend: &impl Backend) {
    let quota = 128 + 5 + 1 + 3;
    let (store, notes) = (backend.open(quota), bucket("notes"));
    let entries = [("a".to_owned(), b"one".to_vec()), ("a".to_owned(), b"two".to_vec())];
    store.set_many(&notes, entries).await.unwrap();
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"two");
}

async fn a_batch_has_limits(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let keys = names(MAX_BATCH_KEYS + 1);
    let error = KeyvalueError::TooManyKeys { len: MAX_BATCH_KEYS + 1, most: MAX_BATCH_KEYS };
    assert_eq!(store.store.get_many(&notes, &keys).await, Err(error.clone()));
    assert_eq!(store.store.delete_many(&notes, &keys).await, Err(error.clone()));
    let entries = keys.iter().map(|key| (key.clone(), vec![1]));
    assert_eq!(store.set_many(&notes, entries.clone()).await, Err(error));
    store.set_many(&notes, entries.skip(1)).await.unwrap();
    assert_eq!(store.store.get_many(&notes, &keys[1..]).await.unwrap(), vec![Some(vec![1]); 1000]);
    let error = KeyvalueError::BatchTooLarge { most: MAX_BATCH_BYTES };
    let entries = ["a", "b", "c", "d", "e"].map(|key| (key.to_owned(), vec![0; 1 << 20]));
    assert_eq!(store.set_many(&notes, entries.clone()).await, Err(error.clone()));
    store.set_many(&notes, entries.clone().into_iter().skip(1)).await.unwrap();
    store.set_many(&notes, entries.clone().into_iter().take(1)).await.unwrap();
    let keys = entries.map(|(key, _)| key);
    assert_eq!(store.store.get_many(&notes, &keys).await, Err(error));
    assert_eq!(store.store.get_many(&notes, &keys[1..]).await.unwrap().len(), 4);
}

async fn a_batch_deletes_the_keys_that_are_there(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    store.set_many(&notes, ["a", "b", "c"].map(|key| (key.into(), vec![]))).await.unwrap();
    let keys = ["a", "missing", "c", "c"].map(str::to_owned);
    store.store.delete_many(&notes, &keys).await.unwrap();
    store.store.delete_many(&notes, &[]).await.unwrap();
    assert_eq!(store.list(&notes, "", 10).await, ["b"]);
}

async fn an_increment_adds_to_an_integer(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    assert_eq!(store.add(&notes, "n", 40).await, Ok(40));
    assert_eq!(store.add(&notes, "n", 2).await, Ok(42));
    assert_eq!(store.add(&notes, "n", -50).await, Ok(-8));
    assert_eq!(store.get(&notes, "n").await.unwrap(), b"-8");
    // More than a double can represent
    store.set(&notes, "n", b"9007199254740993").await;
    assert_eq!(store.add(&notes, "n", 2).await, Ok(9_007_199_254_740_995));
}

async fn a_value_that_is_no_integer_is_not_incremented(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    for value in ["", "x", "1.5", "+1", "01", " 1", "9223372036854775807"] {
        store.set(&notes, "key", value.as_bytes()).await;
        let sum = store.add(&notes, "key", 1).await;
        assert_eq!(sum, Err(KeyvalueError::NotAnInteger), "{value:?}");
        assert_eq!(store.get(&notes, "key").await.unwrap(), value.as_bytes());
    }
}

/// Runs a task on a store, several times at the same time.
async fn concurrently<F: Future<Output = ()> + Send + 'static>(
    store: &Arc<Store>,
    count: usize,
    task: impl Fn(Arc<Store>, usize) -> F,
) {
    let tasks: Vec<_> = (0..count).map(|at| tokio::spawn(task(Arc::clone(store), at))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn concurrent_increments_lose_nothing(backend: &impl Backend) {
    let store = Arc::new(backend.open(AMPLE));
    concurrently(&store, 8, |store, _| async move {
        for _ in 0..25 {
            store.add(&bucket("notes"), "n", 1).await.unwrap();
        }
    })
    .await;
    assert_eq!(store.get(&bucket("notes"), "n").await.unwrap(), b"200");
}

async fn a_value_is_compared_and_set(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    assert_eq!(store.swap(&notes, "a", Some(b""), b"1").await, Ok(false));
    assert_eq!(store.swap(&notes, "a", None, b"").await, Ok(true));
    assert_eq!(store.swap(&notes, "a", None, b"1").await, Ok(false));
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"");
    assert_eq!(store.swap(&notes, "a", Some(b""), b"1").await, Ok(true));
    assert_eq!(store.swap(&notes, "a", Some(b"0"), b"2").await, Ok(false));
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"1");
}

async fn concurrent_appends_by_compare_and_set_keep_all(backend: &impl Backend) {
    let store = Arc::new(backend.open(AMPLE));
    concurrently(&store, 4, |store, writer| async move {
        for at in 0..5 {
            loop {
                let before = store.get(&bucket("notes"), "log").await;
                let mut after = before.clone().unwrap_or_default();
                after.extend(format!("{writer}-{at};").bytes());
                let before = before.as_deref();
                if store.swap(&bucket("notes"), "log", before, &after).await.unwrap() {
                    break;
                }
            }
        }
    })
    .await;
    let log = String::from_utf8(store.get(&bucket("notes"), "log").await.unwrap()).unwrap();
    assert_eq!(log.matches(';').count(), 20, "{log}");
}

async fn a_key_expires(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let hour = Duration::from_secs(3_600);
    assert_eq!(store.ttl(&notes, "a").await, KeyTtl::Missing);
    store.set(&notes, "a", b"1").await;
    assert_eq!(store.ttl(&notes, "a").await, KeyTtl::Never);
    store.set_for(&notes, "a", b"2", hour).await;
    let KeyTtl::Remaining(remaining) = store.ttl(&notes, "a").await else { panic!("no time") };
    assert!(remaining > hour / 2 && remaining <= hour, "{remaining:?}");
    store.set_for(&notes, "b", b"3", SHORT).await;
    store.until_expired(&notes, "b").await;
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"2");
}

async fn an_expired_key_is_missing_for_every_operation(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let keys = ["a", "b", "c", "d", "e"];
    for key in keys {
        store.set_for(&notes, key, b"1", SHORT).await;
    }
    store.until_expired(&notes, "e").await;
    assert_eq!(store.get(&notes, "a").await, None);
    assert_eq!(store.ttl(&notes, "a").await, KeyTtl::Missing);
    assert!(store.list(&notes, "", 10).await.is_empty());
    let values = store.store.get_many(&notes, &keys.map(str::to_owned)).await.unwrap();
    assert_eq!(values, vec![None; 5]);
    assert_eq!(store.store.set_ttl(&notes, "a", None).await, Ok(false));
    assert_eq!(store.add(&notes, "b", 5).await, Ok(5));
    assert_eq!(store.ttl(&notes, "b").await, KeyTtl::Never);
    assert_eq!(store.swap(&notes, "c", Some(b"1"), b"2").await, Ok(false));
    assert_eq!(store.swap(&notes, "c", None, b"2").await, Ok(true));
    assert_eq!(store.ttl(&notes, "c").await, KeyTtl::Never);
    store.set(&notes, "d", b"4").await;
    store.store.delete(&notes, "e").await.unwrap();
    assert_eq!(store.list(&notes, "", 10).await, ["b", "c", "d"]);
}

async fn a_set_clears_the_time_to_live_and_a_change_keeps_it(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let hour = Duration::from_secs(3_600);
    for key in ["a", "b", "c", "d"] {
        store.set_for(&notes, key, b"1", hour).await;
    }
    store.add(&notes, "a", 1).await.unwrap();
    assert!(matches!(store.ttl(&notes, "a").await, KeyTtl::Remaining(_)));
    assert_eq!(store.swap(&notes, "b", Some(b"1"), b"2").await, Ok(true));
    assert!(matches!(store.ttl(&notes, "b").await, KeyTtl::Remaining(_)));
    store.set(&notes, "c", b"2").await;
    assert_eq!(store.ttl(&notes, "c").await, KeyTtl::Never);
    store.set_many(&notes, [("d".to_owned(), b"2".to_vec())]).await.unwrap();
    assert_eq!(store.ttl(&notes, "d").await, KeyTtl::Never);
}

async fn the_time_to_live_of_a_key_can_be_changed(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let hour = Duration::from_secs(3_600);
    assert_eq!(store.store.set_ttl(&notes, "a", Some(hour)).await, Ok(false));
    store.set(&notes, "a", b"1").await;
    assert_eq!(store.store.set_ttl(&notes, "a", Some(hour)).await, Ok(true));
    assert!(matches!(store.ttl(&notes, "a").await, KeyTtl::Remaining(_)));
    assert_eq!(store.store.set_ttl(&notes, "a", None).await, Ok(true));
    assert_eq!(store.ttl(&notes, "a").await, KeyTtl::Never);
    assert_eq!(store.store.set_ttl(&notes, "a", Some(SHORT)).await, Ok(true));
    store.until_expired(&notes, "a").await;
}

async fn a_time_to_live_has_bounds(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    for ttl in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let set = store.store.set_with_ttl(&notes, "a", Vec::new(), ttl, &store.chain).await;
        assert_eq!(set, Err(KeyvalueError::InvalidTtl));
        let set = store.store.set_ttl(&notes, "a", Some(ttl)).await;
        assert_eq!(set, Err(KeyvalueError::InvalidTtl));
    }
    let century = Duration::from_secs(100 * 365 * 86_400);
    store.set_for(&notes, "a", b"1", century).await;
    let KeyTtl::Remaining(remaining) = store.ttl(&notes, "a").await else { panic!("no time") };
    assert!(remaining <= century && remaining > century / 2, "{remaining:?}");
}

async fn the_pages_have_each_key_once(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let keys = names(2_500);
    for part in keys.chunks(1_000) {
        let entries = part.iter().map(|key| (key.clone(), Vec::new()));
        store.set_many(&notes, entries).await.unwrap();
    }
    for limit in [0, 100, 1_000, usize::MAX] {
        assert_eq!(store.list(&notes, "", limit).await, keys);
    }
    let page = store.store.keys(&notes, None).await.unwrap();
    assert!(page.cursor.is_some() && page.keys.len() < 2_000);
}

async fn a_list_has_the_keys_with_the_prefix(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let keys = ["a", "a/1", "a/2", "a/22", "a0", "b/1", "é", "éa"];
    let entries = keys.map(|key| (key.to_owned(), Vec::new()));
    store.set_many(&notes, entries).await.unwrap();
    assert_eq!(store.list(&notes, "a/", 2).await, ["a/1", "a/2", "a/22"]);
    assert_eq!(store.list(&notes, "a/2", 1).await, ["a/2", "a/22"]);
    assert_eq!(store.list(&notes, "é", 1).await, ["é", "éa"]);
    assert_eq!(store.list(&notes, "c", 1).await, [""; 0]);
    assert_eq!(store.list(&bucket("other"), "a", 1).await, [""; 0]);
}

async fn a_prefix_is_text_and_no_pattern(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let keys = ["*", "*a", "?", "?a", "[a]", "[a]b", "\\", "\\a", "^", "a", "ab"];
    store.set_many(&notes, keys.map(|key| (key.to_owned(), Vec::new()))).await.unwrap();
    for prefix in ["*", "?", "[a]", "\\", "a"] {
        let expected: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(store.list(&notes, prefix, 100).await, expected, "{prefix}");
    }
}

async fn over_the_quota_entries_can_shrink_but_not_grow(backend: &impl Backend) {
    let (notes, quota) = (bucket("notes"), 128 + 5 + 3 + 100);
    let store = backend.open(quota);
    store.set(&notes, "one", &[0; 100]).await;
    let over = KeyvalueError::QuotaExceeded { quota };
    assert_eq!(store.try_set(&notes, "two", b"").await, Err(over.clone()));
    assert_eq!(store.try_set(&bucket("other"), "two", b"").await, Err(over.clone()));
    assert_eq!(store.try_set(&notes, "one", &[0; 101]).await, Err(over.clone()));
    assert_eq!(store.swap(&notes, "two", None, b"").await, Err(over.clone()));
    assert_eq!(store.add(&notes, "n", 1).await, Err(over));
    assert_eq!(store.list(&notes, "", 10).await, ["one"]);
    store.set(&notes, "one", &[0; 99]).await;
    store.set(&bucket_of("acme", "notes"), "one", &[0; 100]).await;
    store.store.delete(&notes, "one").await.unwrap();
    assert_eq!(store.add(&notes, "n", 1).await, Ok(1));
}

async fn an_entry_counts_its_key_its_value_its_bucket_and_128_bytes(backend: &impl Backend) {
    let (store, tenant) = (backend.open(AMPLE), "acme".parse().unwrap());
    let notes = bucket_of("acme", "notes");
    store.set(&notes, "key", &[0; 100]).await;
    assert_eq!(store.store.used_bytes(&tenant), Some(128 + 5 + 3 + 100));
    store.set_for(&notes, "key", &[0; 50], Duration::from_secs(60)).await;
    assert_eq!(store.store.used_bytes(&tenant), Some(128 + 5 + 3 + 50));
    store.add(&notes, "n", 99).await.unwrap();
    store.add(&notes, "n", 1).await.unwrap();
    assert_eq!(store.store.used_bytes(&tenant), Some(2 * (128 + 5) + 3 + 50 + 1 + 3));
    store.swap(&notes, "n", Some(b"100"), b"12345").await.unwrap();
    assert_eq!(store.store.used_bytes(&tenant), Some(2 * (128 + 5) + 3 + 50 + 1 + 5));
    store.store.delete_many(&notes, &["key".to_owned(), "n".to_owned()]).await.unwrap();
    assert_eq!(store.store.used_bytes(&tenant), Some(0));
}

async fn a_time_to_live_counts_no_bytes(backend: &impl Backend) {
    let (notes, key, tenant) = (bucket("notes"), "k".repeat(200), "default".parse().unwrap());
    let size = 128 + 5 + 200 + 1;
    let store = backend.open(size);
    let hour = Duration::from_secs(3_600);
    store.set_for(&notes, &key, b"1", hour).await;
    assert_eq!(store.store.used_bytes(&tenant), Some(size as u64));
    store.set(&notes, &key, b"2").await;
    assert!(store.store.set_ttl(&notes, &key, Some(hour)).await.unwrap());
    assert!(store.store.set_ttl(&notes, &key, Some(hour * 2)).await.unwrap());
    assert_eq!(store.store.used_bytes(&tenant), Some(size as u64));
    store.store.delete(&notes, &key).await.unwrap();
    assert_eq!(store.store.used_bytes(&tenant), Some(0));
}

async fn expired_entries_count_in_no_quota(backend: &impl Backend) {
    // More entries than one operation removes
    let (count, size) = (600, 128 + 5 + 4);
    let store = backend.open(count * size);
    let notes = bucket("notes");
    store.set_many(&notes, names(count).into_iter().map(|key| (key, vec![]))).await.unwrap();
    for key in names(count) {
        assert!(store.store.set_ttl(&notes, &key, Some(SHORT)).await.unwrap());
    }
    store.until_expired(&notes, &names(count)[count - 1]).await;
    let value = vec![0; count * size - (128 + 5 + 1)];
    store.set(&bucket("other"), "a", &value).await;
    let used = store.store.used_bytes(&"default".parse().unwrap());
    assert_eq!(used, Some((count * size) as u64));
}

async fn pages_are_in_order_and_have_the_limit(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let entries = ["b", "a/2", "a/1", "a/3", "é"].map(|key| (key.to_owned(), vec![]));
    store.set_many(&notes, entries).await.unwrap();
    let page = store.store.list(&notes, "a/", None, 2).await.unwrap();
    assert_eq!(page.keys, ["a/1", "a/2"]);
    let page = store.store.list(&notes, "a/", page.cursor.as_deref(), 2).await.unwrap();
    assert_eq!((page.keys, page.cursor), (vec!["a/3".to_owned()], None));
    let page = store.store.list(&notes, "", None, 5).await.unwrap();
    assert_eq!(page.keys, ["a/1", "a/2", "a/3", "b", "é"]);
    assert_eq!(page.cursor, None);
}

async fn a_cursor_goes_on_where_its_page_ended_after_changes(backend: &impl Backend) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    let entries = ["a", "b", "d"].map(|key| (key.to_owned(), vec![]));
    store.set_many(&notes, entries).await.unwrap();
    let page = store.store.list(&notes, "", None, 2).await.unwrap();
    assert_eq!(page.keys, ["a", "b"]);
    store.store.delete(&notes, "b").await.unwrap();
    store.set(&notes, "aa", b"").await;
    store.set(&notes, "c", b"").await;
    let page = store.store.list(&notes, "", page.cursor.as_deref(), 2).await.unwrap();
    assert_eq!(page.keys, ["c", "d"]);
}

async fn a_cursor_that_is_none_is_refused(backend: &Redis) {
    let store = backend.open(AMPLE);
    let page = store.store.list(&bucket("notes"), "", Some("nonsense"), 10).await;
    assert_eq!(page, Err(KeyvalueError::InvalidCursor));
}

async fn two_hosts_share_values_and_quota(backend: &Redis) {
    let (one, other, notes) = (backend.open(1_000), backend.open(1_000), bucket("notes"));
    one.set(&notes, "a", &[0; 600]).await;
    assert_eq!(other.get(&notes, "a").await.unwrap().len(), 600);
    let over = Err(KeyvalueError::QuotaExceeded { quota: 1_000 });
    assert_eq!(other.try_set(&notes, "b", &[0; 300]).await, over);
    one.set_for(&notes, "a", &[0; 600], SHORT).await;
    other.until_expired(&notes, "a").await;
    other.set(&notes, "b", &[0; 800]).await;
}

async fn what_an_earlier_release_stored_is_found(backend: &Redis) {
    backend.ask(&["HSET", "keyvalue@acme@:bucket:notes", "a", "1"]);
    backend.ask(&["SET", "keyvalue@acme@:bytes", "135"]);
    let (store, notes) = (backend.open(AMPLE), bucket_of("acme", "notes"));
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"1");
    assert_eq!(store.ttl(&notes, "a").await, KeyTtl::Never);
    store.set(&notes, "a", b"12").await;
    assert_eq!(store.store.used_bytes(&"acme".parse().unwrap()), Some(136));
}

async fn values_times_to_live_and_usage_outlive_the_store(backend: &InFile) {
    let (notes, tenant) = (bucket("notes"), "default".parse().unwrap());
    let store = backend.open(AMPLE);
    store.set(&notes, "a", b"1").await;
    store.set_for(&notes, "b", b"2", Duration::from_secs(3_600)).await;
    store.set_for(&notes, "c", b"3", SHORT).await;
    let used = store.store.used_bytes(&tenant);
    drop(store);
    let store = backend.open(270);
    assert_eq!(store.get(&notes, "a").await.unwrap(), b"1");
    assert!(matches!(store.ttl(&notes, "b").await, KeyTtl::Remaining(_)));
    store.until_expired(&notes, "c").await;
    assert!(store.try_set(&notes, "d", b"1").await.is_err(), "the quota holds after a restart");
    assert!(store.store.used_bytes(&tenant) < used);
}

async fn a_backup_has_the_state_of_one_moment(backend: &InFile) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    for part in names(10_000).chunks(1_000) {
        let entries = part.iter().map(|key| (key.clone(), key.as_bytes().to_vec()));
        store.set_many(&notes, entries).await.unwrap();
    }
    store.set_for(&notes, "0001", b"2", Duration::from_secs(3_600)).await;
    let copy = store.store.file().unwrap().back_up().await.unwrap();
    store.set(&notes, "later", b"1").await;
    let other = InFile::new();
    std::fs::create_dir_all(other.0.path().join("keyvalue")).unwrap();
    std::fs::copy(copy.path(), other.0.path().join("keyvalue/keyvalue.redb")).unwrap();
    let restored = other.open(AMPLE);
    assert_eq!(restored.list(&notes, "", 1_000).await, names(10_000));
    assert_eq!(restored.get(&notes, "9999").await.unwrap(), b"9999");
    assert!(matches!(restored.ttl(&notes, "0001").await, KeyTtl::Remaining(_)));
    let tenant = "default".parse().unwrap();
    let later = 128 + 5 + 5 + 1;
    let used = store.store.used_bytes(&tenant).unwrap() - later;
    assert_eq!(restored.store.used_bytes(&tenant), Some(used));
}

async fn a_compaction_keeps_every_entry_and_shrinks_the_file(backend: &InFile) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    for part in names(2_000).chunks(100) {
        let entries = part.iter().map(|key| (key.clone(), vec![0; 10_000]));
        store.set_many(&notes, entries).await.unwrap();
    }
    for part in names(2_000)[10..].chunks(995) {
        store.store.delete_many(&notes, part).await.unwrap();
    }
    store.set_for(&notes, "0000", b"1", Duration::from_secs(3_600)).await;
    let (before, after) = store.store.file().unwrap().compact().await.unwrap();
    assert!(after < before / 4, "{after} of {before}");
    assert_eq!(store.list(&notes, "", 1_000).await, names(10));
    assert_eq!(store.get(&notes, "0009").await.unwrap(), [0; 10_000]);
    assert!(matches!(store.ttl(&notes, "0000").await, KeyTtl::Remaining(_)));
    store.set(&notes, "after", b"1").await;
    drop(store);
    let store = backend.open(AMPLE);
    assert_eq!(store.get(&notes, "after").await.unwrap(), b"1");
    assert_eq!(store.list(&notes, "0", 1_000).await, names(10));
}

async fn expired_entries_are_removed_without_a_write(backend: &InFile) {
    let (store, notes) = (backend.open(AMPLE), bucket("notes"));
    store.set_for(&notes, "a", b"1", SHORT).await;
    let deadline = Instant::now() + DEADLINE;
    while store.store.used_bytes(&"default".parse().unwrap()) != Some(0) {
        assert!(Instant::now() < deadline, "the entry is not removed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
