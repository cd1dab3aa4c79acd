//! The commands of the key-value store.

use std::time::Duration;

use narrowboat_guest::keyvalue::{self, Bucket, KeyValueError, TimeToLive};

/// Runs a command and returns the reply. `None` if the command is another one.
pub(crate) fn run(command: &str, rest: &str) -> Option<String> {
    let mut words = rest.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, key, value) = (word(), word(), word());
    let bucket = || keyvalue::open(name);
    let ok = |()| "ok".to_owned();
    let result = match command {
        // get BUCKET KEY
        "get" => bucket().and_then(|bucket| bucket.get(key)).map(describe_value),
        // set BUCKET KEY VALUE
        "set" => bucket().and_then(|bucket| bucket.set(key, value)).map(ok),
        // delete BUCKET KEY
        "delete" => bucket().and_then(|bucket| bucket.delete(key)).map(ok),
        // exists BUCKET KEY
        "exists" => bucket().and_then(|bucket| bucket.exists(key)).map(|found| found.to_string()),
        // add BUCKET KEY NUMBER
        "add" => {
            let delta = value.parse().unwrap_or_default();
            bucket().and_then(|bucket| bucket.increment(key, delta)).map(|sum| sum.to_string())
        }
        // keys BUCKET: all keys, sorted
        "keys" => bucket().and_then(|bucket| list_keys(&bucket)).map(|keys| keys.join(" ")),
        // prefix BUCKET PREFIX: the keys that begin with it, sorted
        "prefix" => bucket().and_then(|bucket| {
            let mut keys = bucket.keys(key).collect::<Result<Vec<_>, _>>()?;
            keys.sort();
            Ok(keys.join(" "))
        }),
        // fill BUCKET PREFIX NUMBER: so many keys
        "fill" => bucket().and_then(|bucket| {
            let number: u32 = value.parse().unwrap_or_default();
            bucket.set_many((0..number).map(|at| (format!("{key}{at}"), "x"))).map(ok)
        }),
        // count BUCKET PREFIX LIMIT: how many keys the pages of this limit have
        "count" => bucket().and_then(|bucket| count(&bucket, key, value)),
        // many BUCKET KEYS: the values of several keys
        "many" => bucket().and_then(|bucket| {
            let keys: Vec<_> = [key].into_iter().chain(value.split(' ')).collect();
            let values = bucket.get_many(&keys)?;
            Ok(values.into_iter().map(describe_value).collect::<Vec<_>>().join(", "))
        }),
        // forget BUCKET KEYS: deletes several keys
        "forget" => bucket().and_then(|bucket| {
            let keys: Vec<_> = [key].into_iter().chain(value.split(' ')).collect();
            bucket.delete_many(&keys).map(ok)
        }),
        // swap BUCKET KEY OLD NEW: `-` stands for no such key
        "swap" => bucket().and_then(|bucket| {
            let (old, new) = value.split_once(' ').unwrap_or((value, ""));
            let old = (old != "-").then_some(old.as_bytes());
            bucket.compare_and_set(key, old, new).map(|is_set| is_set.to_string())
        }),
        // lend BUCKET KEY MILLISECONDS: sets a value with this time to live
        "lend" => {
            bucket().and_then(|bucket| bucket.set_with_ttl(key, "x", duration(value)).map(ok))
        }
        // keep BUCKET KEY [MILLISECONDS]: changes the time to live
        "keep" => bucket().and_then(|bucket| {
            let ttl = (!value.is_empty()).then(|| duration(value));
            bucket.set_ttl(key, ttl).map(|is_there| is_there.to_string())
        }),
        // left BUCKET KEY: the milliseconds that it has left
        "left" => bucket().and_then(|bucket| bucket.ttl(key)).map(|left| match left {
            TimeToLive::Missing => "none".to_owned(),
            TimeToLive::Unlimited => "unlimited".to_owned(),
            TimeToLive::Remaining(left) => left.as_millis().to_string(),
        }),
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| format!("error: {}", kind_of(&error))))
}

fn describe_value(value: Option<Vec<u8>>) -> String {
    value.map_or("none".to_owned(), |value| format!("= {}", String::from_utf8_lossy(&value)))
}

fn duration(milliseconds: &str) -> Duration {
    Duration::from_millis(milliseconds.parse().unwrap_or_default())
}

fn count(bucket: &Bucket, prefix: &str, limit: &str) -> Result<String, KeyValueError> {
    let (mut keys, mut cursor) = (std::collections::BTreeSet::new(), None);
    loop {
        let page = bucket.list(prefix, cursor.as_deref(), limit.parse().unwrap_or(1))?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(keys.len().to_string());
        }
    }
}

fn list_keys(bucket: &Bucket) -> Result<Vec<String>, KeyValueError> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let mut page = bucket.list_keys(cursor.as_deref())?;
        keys.append(&mut page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            keys.sort();
            return Ok(keys);
        }
    }
}

fn kind_of(error: &KeyValueError) -> &'static str {
    match error {
        KeyValueError::AccessDenied => "denied",
        KeyValueError::NoSuchStore(_) => "invalid name",
        KeyValueError::Unavailable(_) => "unavailable",
        KeyValueError::Other(_) => "other",
    }
}
