//! Tests of the expired entries that a transaction removes.

use std::time::Duration;

use super::super::expiry_sweep::{ExpirySweep, SweepProgress};
use super::super::open_database::OpenDatabase;
use super::*;

/// The time at which the entries of the tests are written, in milliseconds.
const BEGIN: WallMillis = 1_000;

/// The time to live of the entries of the tests.
const TTL: Duration = Duration::from_millis(10);

/// A file of two tenants.
struct TestFile {
    database: OpenDatabase,
    usage: HashMap<Vec<u8>, u64>,
    sweep: ExpirySweep,
}

impl TestFile {
    fn new() -> Self {
        let file = tempfile::tempfile().unwrap();
        let database = OpenDatabase::open(Box::new(file), "test".as_ref()).unwrap();
        Self { database, usage: HashMap::new(), sweep: ExpirySweep::default() }
    }

    /// Runs a transaction at a time.
    fn transact<T>(
        &mut self,
        now: WallMillis,
        work: impl FnOnce(&mut GroupCommit<'_>, &mut ExpirySweep) -> T,
    ) -> T {
        let transaction = self.database.begin_write().unwrap();
        let mut group = GroupCommit::open(&transaction, &self.usage, now).unwrap();
        let done = work(&mut group, &mut self.sweep);
        let changed = group.finish().unwrap();
        transaction.commit().unwrap();
        self.usage.extend(changed.unwrap_or_default());
        done
    }

    /// Writes entries that expire.
    fn fill(&mut self, tenant: &str, count: usize) {
        let entries = (0..count).map(|at| (key(tenant, at), Vec::new())).collect();
        let change = Change::Set { entries, ttl: Some(TTL), quota: u64::MAX };
        self.transact(BEGIN, |group, _| group.apply(&change).unwrap());
    }

    /// Writes an entry for which there is room only if a tenant has no expired entries.
    fn write(&mut self, tenant: &str) -> Applied {
        let size = counted_bytes(&key(tenant, 0), 0);
        let entries = vec![(key(tenant, 9_999), Vec::new())];
        let change = Change::Set { entries, ttl: None, quota: size };
        self.transact(expired(), |group, _| group.apply(&change).unwrap())
    }

    fn sweep(&mut self) -> SweepProgress {
        self.transact(expired(), |group, sweep| sweep.advance(group).unwrap())
    }

    /// The number of entries of a tenant.
    fn count(&self, tenant: &str) -> u64 {
        let used = self.usage.get(tenant.as_bytes()).copied().unwrap_or_default();
        used / counted_bytes(&key(tenant, 0), 0)
    }
}

fn key(tenant: &str, at: usize) -> Vec<u8> {
    format!("{tenant}\0notes\0{at:04}").into_bytes()
}

/// The time at which the entries of the tests have expired.
fn expired() -> WallMillis {
    wall_after(BEGIN, TTL)
}

#[test]
fn a_write_removes_a_bounded_number_of_expired_entries_of_its_own_tenant_in_a_transaction() {
    let mut file = TestFile::new();
    file.fill("acme", 600);
    file.fill("zoo", 600);
    for left in [344, 88] {
        assert!(matches!(file.write("acme"), Applied::Later));
        assert_eq!((file.count("acme"), file.count("zoo")), (left, 600));
    }
    assert!(matches!(file.write("acme"), Applied::Done(Ok(Outcome::Done))));
    assert_eq!((file.count("acme"), file.count("zoo")), (1, 600));
}

#[test]
fn the_writes_of_a_transaction_remove_the_expired_entries_of_a_few_tenants() {
    let mut file = TestFile::new();
    let tenants: Vec<_> = (0..6).map(|at| format!("tenant-{at}")).collect();
    tenants.iter().for_each(|tenant| file.fill(tenant, 1));
    let changes = tenants.iter().map(|tenant| Change::Increment {
        key: key(tenant, 9_999),
        delta: 1,
        quota: counted_bytes(&key(tenant, 0), 1),
    });
    let applied = file.transact(expired(), |group, _| {
        changes.map(|change| group.apply(&change).unwrap()).collect::<Vec<_>>()
    });
    let done = applied.iter().filter(|applied| matches!(applied, Applied::Done(Ok(_)))).count();
    assert_eq!((done, applied.len()), (MAX_PURGED_OWNERS, 6));
}

#[test]
fn a_sweep_removes_the_expired_entries_of_every_tenant_in_bounded_parts() {
    let mut file = TestFile::new();
    file.fill("acme", 600);
    file.fill("zoo", 1);
    assert_eq!(file.sweep(), SweepProgress::Partial);
    assert_eq!((file.count("acme"), file.count("zoo")), (344, 1));
    assert_eq!(file.sweep(), SweepProgress::Partial, "the other tenant does not wait");
    assert_eq!((file.count("acme"), file.count("zoo")), (344, 0));
    let parts = (0..10).take_while(|_| file.sweep() == SweepProgress::Partial).count();
    assert!(parts < 10, "the sweep does not end");
    assert_eq!((file.count("acme"), file.count("zoo")), (0, 0));
}
