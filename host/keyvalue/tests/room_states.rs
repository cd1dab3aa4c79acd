//! The states of rooms on every backend, and the leases of rooms in Redis, one sentence in each test.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use narrowboat_config::{
    Endpoint, KeyvalueBackend, KeyvalueConfig, RedisAccess, RedisHost, RedisServer as RedisAddress,
};
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::name::Tenant;
use narrowboat_core::room_name::RoomName;
use narrowboat_core::units::ByteSize;
use narrowboat_keyvalue::{
    AlarmChange, KeyvalueError, KeyvalueStore, RecordChange, RoomChange, RoomKey, RoomLease,
    RoomOpening, StoredAlarm, StoredRoom,
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
            a_room_has_what_was_stored_last
            a_record_and_an_alarm_change_together_or_not_at_all
            alarms_are_listed_in_the_order_of_time
            an_alarm_that_is_replaced_or_cancelled_is_not_listed
            rooms_are_listed_by_plugin
            rooms_of_other_plugins_and_tenants_are_others
        }
    };
}

mod in_memory {
    use super::*;
    of_every_backend!(every, Memory);
}

mod in_a_file {
    use super::*;
    of_every_backend!(every, InFile(tempfile::tempdir().unwrap()));
    conformance! { own, InFile(tempfile::tempdir().unwrap());
        states_and_alarms_outlive_the_store
    }
}

mod in_redis {
    use super::*;
    of_every_backend!(every, Redis(RedisServer::start()));
    conformance! { own, Redis(RedisServer::start());
        a_room_has_one_owner_at_a_time
        a_room_goes_to_the_next_host_when_its_lease_ends
        a_lease_that_is_renewed_does_not_end
        a_lease_that_is_given_up_goes_to_the_next_host_at_once
        a_host_without_the_lease_changes_nothing
        tokens_do_not_begin_again_when_the_server_has_lost_everything
        tokens_are_larger_than_that_of_the_record
        states_and_alarms_outlive_the_store
    }
}

/// The time limit for a test.
const DEADLINE: Duration = Duration::from_secs(60);

/// The lease of rooms in Redis.
const LEASE: Duration = Duration::from_millis(400);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.unwrap() });
}

trait Backend {
    fn backend(&self) -> KeyvalueBackend;

    /// Opens the store as a host does.
    fn open(&self) -> Host {
        let config = KeyvalueConfig {
            backend: self.backend(),
            quota: ByteSize::kib(16),
            max_value: ByteSize::mib(1),
            max_key: ByteSize::kib(1),
        };
        Host { store: KeyvalueStore::open(&config).unwrap(), chain: QuotaChain::default() }
    }
}

struct Memory;

impl Backend for Memory {
    fn backend(&self) -> KeyvalueBackend {
        KeyvalueBackend::Memory
    }
}

struct InFile(tempfile::TempDir);

impl Backend for InFile {
    fn backend(&self) -> KeyvalueBackend {
        KeyvalueBackend::File { folder: self.0.path().join("keyvalue") }
    }
}

struct Redis(RedisServer);

impl Redis {
    fn forget_everything(&self) {
        let client = redis::Client::open(("127.0.0.1", self.0.port)).unwrap();
        redis::cmd("FLUSHALL").exec(&mut client.get_connection().unwrap()).unwrap();
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
            room_lease: LEASE,
        }
    }
}

/// A host with the store.
struct Host {
    store: KeyvalueStore,
    chain: QuotaChain,
}

impl Host {
    /// Opens a room that no other host owns.
    async fn open_room(&self, key: &RoomKey) -> (RoomLease, StoredRoom) {
        match self.store.open_room(key).await.unwrap() {
            RoomOpening::Opened(lease, stored) => (lease, stored),
            RoomOpening::OwnedElsewhere(left) => panic!("owned for {left:?}"),
        }
    }

    async fn is_owned_elsewhere(&self, key: &RoomKey) -> bool {
        matches!(self.store.open_room(key).await.unwrap(), RoomOpening::OwnedElsewhere(_))
    }

    async fn try_change(
        &self,
        key: &RoomKey,
        lease: &RoomLease,
        change: RoomChange,
    ) -> Result<(), KeyvalueError> {
        self.store.change_room(key, lease, change, &self.chain).await
    }

    async fn change(&self, key: &RoomKey, lease: &RoomLease, change: RoomChange) {
        self.try_change(key, lease, change).await.unwrap();
    }

    /// The names of the rooms with an alarm, with the times.
    async fn alarms(&self, plugin: &str) -> Vec<(u64, String)> {
        let tenant = Tenant::default_tenant();
        let (mut alarms, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.list_alarms(&tenant, plugin, cursor.as_deref(), 2).await.unwrap();
            alarms.extend(
                page.alarms.iter().map(|(time, room)| (time.as_millis(), room.to_string())),
            );
            cursor = page.cursor;
            if cursor.is_none() {
                return alarms;
            }
        }
    }
}

fn room(name: &str) -> RoomKey {
    room_of(&Tenant::default_tenant(), "chat", name)
}

fn room_of(tenant: &Tenant, plugin: &str, name: &str) -> RoomKey {
    RoomKey::new(tenant, &Arc::from(plugin), &RoomName::parse(name).unwrap())
}

fn alarm(millis: u64) -> StoredAlarm {
    StoredAlarm::new(AlarmTime::from_millis(millis))
}

/// A change of the alarm.
fn alarm_change(from: Option<u64>, to: Option<StoredAlarm>) -> RoomChange {
    let from = from.map(AlarmTime::from_millis);
    RoomChange { alarm: Some(AlarmChange { from, to }), ..RoomChange::default() }
}

fn record_change(record: &[u8]) -> RoomChange {
    RoomChange { record: RecordChange::Set(record.to_vec()), alarm: None }
}

async fn a_room_has_what_was_stored_last(backend: &impl Backend) {
    let host = backend.open();
    let (lease, stored) = host.open_room(&room("a")).await;
    assert_eq!(stored, StoredRoom::default());
    host.change(&room("a"), &lease, record_change(b"one")).await;
    host.change(&room("a"), &lease, alarm_change(None, Some(alarm(5)))).await;
    host.change(&room("a"), &lease, record_change(b"two")).await;
    let expected = StoredRoom { record: Some(b"two".to_vec()), alarm: Some(alarm(5)) };
    assert_eq!(host.store.read_room(&room("a")).await.unwrap(), expected);
    let (lease, stored) = host.open_room(&room("a")).await;
    assert_eq!(stored, expected);
    let alarm = Some(AlarmChange { from: Some(AlarmTime::from_millis(5)), to: None });
    host.change(&room("a"), &lease, RoomChange { record: RecordChange::Delete, alarm }).await;
    assert_eq!(host.open_room(&room("a")).await.1, StoredRoom::default());
    assert_eq!(host.store.used_bytes(&Tenant::default_tenant()), Some(0));
}

async fn a_record_and_an_alarm_change_together_or_not_at_all(backend: &impl Backend) {
    let host = backend.open();
    let (lease, _) = host.open_room(&room("a")).await;
    let change = |len| RoomChange {
        record: RecordChange::Set(vec![0; len]),
        alarm: Some(AlarmChange { from: None, to: Some(alarm(1)) }),
    };
    let refused = host.try_change(&room("a"), &lease, change(20_000)).await;
    assert!(matches!(refused, Err(KeyvalueError::QuotaExceeded { .. })), "{refused:?}");
    assert_eq!(host.store.read_room(&room("a")).await.unwrap(), StoredRoom::default());
    assert_eq!(host.alarms("chat").await, []);
    host.change(&room("a"), &lease, change(100)).await;
    let stored = host.store.read_room(&room("a")).await.unwrap();
    assert_eq!(stored, StoredRoom { record: Some(vec![0; 100]), alarm: Some(alarm(1)) });
}

async fn alarms_are_listed_in_the_order_of_time(backend: &impl Backend) {
    let host = backend.open();
    for (name, time) in [("b", 1_700_000_000_300), ("a", 9), ("d", 1_700_000_000_100), ("c", 10)] {
        let (lease, _) = host.open_room(&room(name)).await;
        host.change(&room(name), &lease, alarm_change(None, Some(alarm(time)))).await;
    }
    let expected = [(9, "a"), (10, "c"), (1_700_000_000_100, "d"), (1_700_000_000_300, "b")];
    assert_eq!(host.alarms("chat").await, expected.map(|(time, name)| (time, name.to_owned())));
}

async fn an_alarm_that_is_replaced_or_cancelled_is_not_listed(backend: &impl Backend) {
    let host = backend.open();
    let (lease, _) = host.open_room(&room("a")).await;
    host.change(&room("a"), &lease, alarm_change(None, Some(alarm(1)))).await;
    let postponed = StoredAlarm { attempts: 3, ..alarm(2) };
    host.change(&room("a"), &lease, alarm_change(Some(1), Some(postponed))).await;
    assert_eq!(host.alarms("chat").await, [(2, "a".to_owned())]);
    assert_eq!(host.store.read_room(&room("a")).await.unwrap().alarm, Some(postponed));
    host.change(&room("a"), &lease, alarm_change(Some(2), None)).await;
    assert_eq!(host.alarms("chat").await, []);
    let mut change = record_change(b"state");
    change.alarm = alarm_change(None, Some(alarm(4))).alarm;
    host.change(&room("a"), &lease, change).await;
    let mut change = record_change(b"state 2");
    change.alarm = alarm_change(Some(4), None).alarm;
    host.change(&room("a"), &lease, change).await;
    assert_eq!(host.alarms("chat").await, []);
    assert_eq!(host.store.read_room(&room("a")).await.unwrap().alarm, None);
}

async fn rooms_are_listed_by_plugin(backend: &impl Backend) {
    let host = backend.open();
    let tenant = Tenant::default_tenant();
    for key in [room("a"), room("b"), room_of(&tenant, "chat2", "c")] {
        let (lease, _) = host.open_room(&key).await;
        let mut change = record_change(b"state");
        change.alarm = alarm_change(None, Some(alarm(1))).alarm;
        host.change(&key, &lease, change).await;
    }
    let mut page = host.store.list_rooms(&tenant, "chat", None, 10).await.unwrap();
    page.keys.sort();
    assert_eq!((page.keys, page.cursor), (vec!["a".to_owned(), "b".to_owned()], None));
}

async fn rooms_of_other_plugins_and_tenants_are_others(backend: &impl Backend) {
    let host = backend.open();
    let (default, acme) = (Tenant::default_tenant(), Tenant::try_from("acme".to_owned()).unwrap());
    let (lease, _) = host.open_room(&room("a")).await;
    let mut change = record_change(b"state");
    change.alarm = alarm_change(None, Some(alarm(1))).alarm;
    host.change(&room("a"), &lease, change).await;
    for other in [room_of(&default, "other", "a"), room_of(&acme, "chat", "a")] {
        assert_eq!(host.open_room(&other).await.1, StoredRoom::default());
    }
    assert_eq!(host.alarms("other").await, []);
}

async fn states_and_alarms_outlive_the_store(backend: &impl Backend) {
    let host = backend.open();
    let (lease, _) = host.open_room(&room("a")).await;
    let mut change = record_change(b"state");
    change.alarm = alarm_change(None, Some(alarm(7))).alarm;
    host.change(&room("a"), &lease, change).await;
    host.store.close_room(&room("a"), &lease).await.unwrap();
    drop(host);
    let host = backend.open();
    let expected = StoredRoom { record: Some(b"state".to_vec()), alarm: Some(alarm(7)) };
    assert_eq!(host.open_room(&room("a")).await.1, expected);
    assert_eq!(host.alarms("chat").await, [(7, "a".to_owned())]);
}

async fn a_room_has_one_owner_at_a_time(backend: &Redis) {
    let (first, second) = (backend.open(), backend.open());
    let (lease, _) = first.open_room(&room("a")).await;
    assert!(lease.can_end() && lease.is_valid());
    match second.store.open_room(&room("a")).await.unwrap() {
        RoomOpening::OwnedElsewhere(left) => assert!(left <= LEASE && !left.is_zero(), "{left:?}"),
        RoomOpening::Opened(..) => panic!("two hosts own the room"),
    }
    // Another task of the same host takes it over.
    let (again, _) = first.open_room(&room("a")).await;
    assert!(again.token() > lease.token());
}

async fn a_room_goes_to_the_next_host_when_its_lease_ends(backend: &Redis) {
    let (first, second) = (backend.open(), backend.open());
    let (lease, _) = first.open_room(&room("a")).await;
    first.change(&room("a"), &lease, record_change(b"state")).await;
    while second.is_owned_elsewhere(&room("a")).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!lease.is_valid());
    let late = first.try_change(&room("a"), &lease, record_change(b"late")).await;
    assert_eq!(late, Err(KeyvalueError::LeaseLost));
    let stored = second.store.read_room(&room("a")).await.unwrap();
    assert_eq!(stored.record.as_deref(), Some(&b"state"[..]));
}

async fn a_lease_that_is_renewed_does_not_end(backend: &Redis) {
    let (first, second) = (backend.open(), backend.open());
    let (lease, _) = first.open_room(&room("a")).await;
    let leases = [(room("a"), Arc::new(lease))];
    for _ in 0..8 {
        tokio::time::sleep(LEASE / 4).await;
        first.store.renew_leases(&Tenant::default_tenant(), &leases).await.unwrap();
        assert!(second.is_owned_elsewhere(&room("a")).await);
    }
    assert!(leases[0].1.is_valid());
    tokio::time::sleep(2 * LEASE).await;
    first.store.renew_leases(&Tenant::default_tenant(), &leases).await.unwrap();
    assert!(!leases[0].1.is_valid());
}

async fn a_lease_that_is_given_up_goes_to_the_next_host_at_once(backend: &Redis) {
    let (first, second) = (backend.open(), backend.open());
    let (lease, _) = first.open_room(&room("a")).await;
    first.store.close_room(&room("a"), &lease).await.unwrap();
    let (next, _) = second.open_room(&room("a")).await;
    // A lease that was given up gives up no later one.
    first.store.close_room(&room("a"), &lease).await.unwrap();
    second.change(&room("a"), &next, record_change(b"state")).await;
}

async fn a_host_without_the_lease_changes_nothing(backend: &Redis) {
    let host = backend.open();
    let (lease, _) = host.open_room(&room("a")).await;
    host.change(&room("a"), &lease, record_change(b"state")).await;
    backend.forget_everything();
    let mut change = record_change(b"late");
    change.alarm = alarm_change(None, Some(alarm(1))).alarm;
    let refused = host.try_change(&room("a"), &lease, change).await;
    assert_eq!(refused, Err(KeyvalueError::LeaseLost));
    assert!(!lease.is_valid());
    assert_eq!(host.store.read_room(&room("a")).await.unwrap(), StoredRoom::default());
    assert_eq!(host.alarms("chat").await, []);
}

async fn tokens_do_not_begin_again_when_the_server_has_lost_everything(backend: &Redis) {
    let host = backend.open();
    let (before, _) = host.open_room(&room("a")).await;
    backend.forget_everything();
    let (after, _) = host.open_room(&room("a")).await;
    assert!(after.token() > before.token());
}

async fn tokens_are_larger_than_that_of_the_record(backend: &Redis) {
    let host = backend.open();
    let (lease, _) = host.open_room(&room("a")).await;
    let far = 8_000_000_000_000_000_u64;
    let record = format!("{{\"format\":1,\"token\":{far},\"x\":0}}\n");
    host.change(&room("a"), &lease, record_change(record.as_bytes())).await;
    host.store.close_room(&room("a"), &lease).await.unwrap();
    let (next, _) = host.open_room(&room("a")).await;
    assert_eq!(next.token(), far + 1);
}
