//! Runs the key-value command in each text, such as `BUCKET set KEY VALUE`. See `run_command` for the others.

mod bindings;
mod comparisons;

use std::cell::Cell;
use std::time::Duration;

use narrowboat_guest::keyvalue::{self, Bucket, KeyValueError};
use narrowboat_guest::prelude::*;

/// A time to live that outlasts each test.
const HOUR: Duration = Duration::from_secs(3_600);

thread_local!(static RESTORED: Cell<&'static str> = const { Cell::new("fresh") });

#[derive(Serialize, Deserialize)]
struct KeyValueConsumer;

impl Consumer for KeyValueConsumer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(KeyValueConsumer))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let reply = match text.as_str() {
            "restored" => RESTORED.get().to_owned(),
            text => run_command(text).unwrap_or_else(|error| format!("error: {error}")),
        };
        if reply == "trap" {
            panic!("asked to trap");
        }
        Ok(connection.send(reply)?)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        try_writes("snapshots");
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    fn restore(_: &Connection, _: Snapshot) -> Result<Self, Error> {
        RESTORED.set(if try_writes("restores") { "written" } else { "not written" });
        Ok(KeyValueConsumer)
    }
}

/// A write of a key, which is named after the write.
type NamedWrite = (&'static str, fn(&Bucket, &str) -> Result<(), KeyValueError>);

/// Increments a counter in the bucket `moves`, and does every other write in the bucket with the name of the counter.
/// Returns whether the host allowed the increment.
fn try_writes(name: &str) -> bool {
    let is_counted = keyvalue::open("moves").and_then(|bucket| bucket.increment(name, 1)).is_ok();
    if let Ok(bucket) = keyvalue::open(name) {
        let writes: [NamedWrite; 5] = [
            ("set", |bucket, key| bucket.set(key, "x")),
            ("set_many", |bucket, key| bucket.set_many([(key, "x")])),
            ("compare_and_set", |bucket, key| bucket.compare_and_set(key, None, "x").map(drop)),
            ("update", |bucket, key| bucket.update(key, |_| "x").map(drop)),
            ("set_with_ttl", |bucket, key| bucket.set_with_ttl(key, "x", HOUR)),
        ];
        for (key, write) in writes {
            let _ = write(&bucket, key);
        }
        let _ = (bucket.delete("kept"), bucket.delete_many(&["kept"]));
        let _ = bucket.set_ttl("kept", Some(HOUR));
    }
    is_counted
}

fn run_command(text: &str) -> Result<String, KeyValueError> {
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (bucket, verb, key, value) = (word(), word(), word(), word());
    if let Some(reply) = comparisons::run(bucket, verb, key, value) {
        return reply;
    }
    let bucket = keyvalue::open(bucket)?;
    Ok(match verb {
        "get" => match bucket.get(key)? {
            Some(value) => format!("= {}", String::from_utf8_lossy(&value)),
            None => "nothing".to_owned(),
        },
        "set" => bucket.set(key, value).map(|()| "ok".to_owned())?,
        // fill KEY N: a value of N bytes
        "fill" => {
            let len = value.parse().unwrap_or_default();
            bucket.set(key, vec![b'x'; len]).map(|()| "ok".to_owned())?
        }
        // many KEY N: N keys that begin with KEY
        "many" => {
            for at in 0..value.parse().unwrap_or_default() {
                bucket.set(&format!("{key}{at}"), "")?;
            }
            "ok".to_owned()
        }
        "len" => bucket.get(key)?.map_or(0, |value| value.len()).to_string(),
        "delete" => bucket.delete(key).map(|()| "ok".to_owned())?,
        "exists" => bucket.exists(key)?.to_string(),
        "add" => bucket.increment(key, value.parse().unwrap_or_default())?.to_string(),
        // left KEY: the time that it has left
        "left" => format!("{:?}", bucket.ttl(key)?),
        // batch KEY N: a batch of N keys that begin with KEY, with no values
        "batch" => {
            let count: u32 = value.parse().unwrap_or_default();
            bucket.set_many((0..count).map(|at| (format!("{key}{at}"), "")))?;
            "ok".to_owned()
        }
        // copies KEY N: the value of a key, N times in one batch
        "copies" => {
            let count = value.parse().unwrap_or_default();
            bucket.get_many(&vec![key; count])?.len().to_string()
        }
        // page [CURSOR]: the number of keys in one page, and the cursor of the next
        "page" => {
            let cursor = (!key.is_empty()).then_some(key);
            let keyvalue::KeyPage { keys, cursor } = bucket.list_keys(cursor)?;
            format!("{} {}", keys.len(), cursor.as_deref().unwrap_or("end"))
        }
        // keys: all keys, from as many pages as needed
        "keys" => {
            let (mut all, mut cursor) = (Vec::new(), None);
            loop {
                let mut page = bucket.list_keys(cursor.as_deref())?;
                all.append(&mut page.keys);
                match page.cursor {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            all.sort();
            all.dedup();
            all.join(" ")
        }
        // set-and-trap KEY VALUE: the trap does not undo the write
        "set-and-trap" => {
            bucket.set(key, value)?;
            "trap".to_owned()
        }
        // hold N: opens N handles at the same time
        "hold" => {
            let count = key.parse().unwrap_or_default();
            let buckets = (0..count).map(|_| keyvalue::open("held"));
            let buckets: Result<Vec<_>, _> = buckets.collect();
            buckets?.len().to_string()
        }
        _ => format!("no verb {verb:?}"),
    })
}

/// Runs the key-value command in each message.
#[derive(Default)]
struct KeyValueWorker;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "keeper.errand")]
    Errand { text: String },
}

impl Worker for KeyValueWorker {
    type Message = Message;

    fn handle(&mut self, _: &str, Message::Errand { text }: Message) -> Result<(), Error> {
        run_command(&text).map(drop).map_err(Error::msg)
    }
}

narrowboat_guest::export!(KeyValueConsumer);
narrowboat_guest::export_worker!(KeyValueWorker);
