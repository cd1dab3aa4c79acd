//! Tests of the buckets in memory.

use std::time::Duration;

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn used_bytes_are_the_bytes_of_all_entries(
        steps in prop::collection::vec(
            ("[ab]", "[a-d]", prop::option::of((0..300usize, prop::option::of(1..20u64))), 0..5u64),
            0..60,
        ),
    ) {
        let (mut buckets, quota, mut now) = (OwnedBuckets::default(), 1_500, Instant::now());
        for (name, key, change, seconds) in steps {
            now += Duration::from_secs(seconds);
            match change {
                Some((len, ttl)) => {
                    let expiry = ttl.map_or(ExpiryChange::Clear, |ttl| {
                        ExpiryChange::Set(now + Duration::from_secs(ttl))
                    });
                    let entry = (key, Bytes::from(vec![0; len]));
                    drop(buckets.insert(&name, &[entry], expiry, quota, now));
                }
                None => buckets.remove(&name, &key),
            }
            let entries = || buckets.buckets.iter().flat_map(|(name, entries)| {
                entries.iter().map(move |(key, entry)| (name, key, entry))
            });
            let sizes = entries().map(|(name, key, entry)| {
                128 + name.len() + key.len() + entry.value.len()
            });
            prop_assert_eq!(buckets.used_bytes, sizes.sum::<usize>());
            prop_assert!(buckets.used_bytes <= quota);
            prop_assert!(buckets.buckets.values().all(|entries| !entries.is_empty()));
            let expiries: BTreeSet<_> = entries()
                .filter_map(|(name, key, entry)| Some((entry.expiry?, name.clone(), key.clone())))
                .collect();
            prop_assert_eq!(&buckets.expiries, &expiries);
        }
    }
}
