use std::collections::BTreeMap;

/// The keys and values of all buckets.
#[derive(Debug, Default)]
pub(crate) struct KeyValueStore(BTreeMap<(String, String), Vec<u8>>);

fn entry_key(bucket: &str, key: &str) -> (String, String) {
    (bucket.to_owned(), key.to_owned())
}

impl KeyValueStore {
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.0.get(&entry_key(bucket, key)).cloned()
    }

    pub(crate) fn set(&mut self, bucket: &str, key: &str, value: Vec<u8>) {
        self.0.insert(entry_key(bucket, key), value);
    }

    pub(crate) fn delete(&mut self, bucket: &str, key: &str) {
        self.0.remove(&entry_key(bucket, key));
    }

    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let names = self.0.keys().filter(|(own, _)| own == bucket);
        names.map(|(_, key)| key.clone()).collect()
    }

    /// Adds `delta` to a number. `None` if the value or the sum is not a 64-bit integer.
    pub(crate) fn increment(&mut self, bucket: &str, key: &str, delta: i64) -> Option<i64> {
        let value = self.get(bucket, key).unwrap_or_else(|| b"0".to_vec());
        let number: i64 = str::from_utf8(&value).ok()?.parse().ok()?;
        let sum = number.checked_add(delta)?;
        self.set(bucket, key, sum.to_string().into_bytes());
        Some(sum)
    }
}
