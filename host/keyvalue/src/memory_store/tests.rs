//! Tests of the store in memory.

use super::*;
use proptest::prelude::*;

fn bucket(tenant: &str, name: &str) -> Bucket {
    Bucket::new(&tenant.parse().unwrap(), name.to_owned()).unwrap()
}

fn used(store: &MemoryStore) -> usize {
    store.lock().values().map(|buckets| buckets.used_bytes).sum()
}

#[test]
fn tenants_do_not_share_buckets() {
    let store = MemoryStore::default();
    store.set(&bucket("a", "x"), "key", b"1".to_vec(), 1_000).unwrap();
    assert_eq!(store.get(&bucket("a", "x"), "key").unwrap(), b"1");
    assert_eq!(store.get(&bucket("b", "x"), "key"), None);
    assert_eq!(store.get(&bucket("a", "y"), "key"), None);
    store.delete(&bucket("b", "x"), "key");
    assert!(store.exists(&bucket("a", "x"), "key"));
}

#[test]
fn over_the_quota_entries_can_shrink_but_not_grow() {
    let store = MemoryStore::default();
    let bucket = bucket("a", "x");
    let quota = entry_bytes(&bucket, "one", &[0; 100]);
    store.set(&bucket, "one", vec![0; 100], quota).unwrap();
    let over = Err(KeyvalueError::QuotaExceeded { quota });
    assert_eq!(store.set(&bucket, "two", Vec::new(), quota), over);
    assert_eq!(store.set(&bucket, "one", vec![0; 101], quota), over);
    store.set(&bucket, "one", vec![0; 99], quota).unwrap();
    store.set(&bucket, "one", vec![0; 98], 10).unwrap();
    assert_eq!(store.increment(&bucket, "n", 1, quota), over.map(|()| 1));
    store.delete(&bucket, "one");
    assert_eq!(used(&store), 0);
    assert_eq!(store.increment(&bucket, "n", 1, quota), Ok(1));
}

#[test]
fn a_value_that_is_not_an_integer_is_not_incremented() {
    let store = MemoryStore::default();
    let bucket = bucket("a", "x");
    for value in ["", "x", "1.5", "+1", "01", " 1", "9223372036854775807"] {
        store.set(&bucket, "key", value.into(), 1_000).unwrap();
        let sum = store.increment(&bucket, "key", 1, 1_000);
        assert_eq!(sum, Err(KeyvalueError::NotAnInteger), "{value:?}");
    }
    store.set(&bucket, "key", "-2".into(), 1_000).unwrap();
    assert_eq!(store.increment(&bucket, "key", 5, 1_000), Ok(3));
    assert_eq!(store.get(&bucket, "key").unwrap(), b"3");
}

proptest! {
    #[test]
    fn used_bytes_are_the_bytes_of_all_entries(
        steps in prop::collection::vec(("[ab]", "[a-d]", prop::option::of(0..300usize)), 0..60),
    ) {
        let (store, quota) = (MemoryStore::default(), 1_500);
        for (name, key, len) in steps {
            let bucket = bucket("t", &name);
            match len {
                Some(len) => drop(store.set(&bucket, &key, vec![0; len], quota)),
                None => store.delete(&bucket, &key),
            }
            let tenants = store.lock();
            let Some(tenant) = tenants.values().next() else { continue };
            let sizes = tenant.buckets.iter().flat_map(|(name, entries)| {
                entries.iter().map(move |(key, value)| 128 + name.len() + key.len() + value.len())
            });
            prop_assert_eq!(tenant.used_bytes, sizes.sum::<usize>());
            prop_assert!(tenant.used_bytes <= quota);
            prop_assert!(tenant.buckets.values().all(|entries| !entries.is_empty()));
        }
    }

    #[test]
    fn the_pages_have_each_key_once(count in 0..2_500usize) {
        let store = MemoryStore::default();
        let bucket = bucket("t", "x");
        for at in 0..count {
            store.set(&bucket, &format!("{at:04}"), Vec::new(), usize::MAX).unwrap();
        }
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let mut page = store.keys(&bucket, cursor.as_deref());
            listed.append(&mut page.keys);
            cursor = page.cursor;
            if cursor.is_none() { break }
        }
        prop_assert_eq!(listed, (0..count).map(|at| format!("{at:04}")).collect::<Vec<_>>());
    }
}
