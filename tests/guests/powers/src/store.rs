//! The commands of the key-value store.

use narrowboat_guest::keyvalue::{self, Bucket, KeyValueError};

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
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| format!("error: {}", kind_of(&error))))
}

fn describe_value(value: Option<Vec<u8>>) -> String {
    value.map_or("none".to_owned(), |value| format!("= {}", String::from_utf8_lossy(&value)))
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
        KeyValueError::NoSuchStore => "invalid name",
        KeyValueError::Other(_) => "other",
    }
}
