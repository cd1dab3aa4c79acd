//! Requests of a test about the keys and values of the plugin.

use std::time::Duration;

use crate::reply::{Reply, ReplyData};
use crate::request::{Data, Request};
use narrowboat_core::name::Tenant;
use narrowboat_keyvalue::{
    Bucket, KeyTtl, KeyvalueError, KeyvalueStore, OperationSubject, OperationTarget,
};
use narrowboat_quota::QuotaChain;

/// The keys that are asked for at once.
const PAGE_KEYS: usize = 1_000;

/// Carries out a request.
///
/// # Errors
/// The problem, for the author of the test.
pub(super) async fn handle(store: &KeyvalueStore, request: Request) -> Result<Reply, String> {
    match request {
        Request::KeyvalueKeys { bucket, prefix } => {
            let bucket = open(bucket)?;
            let keys = list_keys(store, &bucket, &prefix).await;
            let subject = OperationSubject::Prefix(&prefix);
            keys.map(Reply::Texts).map_err(|error| describe(&error, &bucket, subject))
        }
        request => {
            let (bucket, key) = subject_of(&request).ok_or("the host does not know the request")?;
            let (bucket, key) = (open(bucket.to_owned())?, key.to_owned());
            let handled = handle_key(store, &bucket, &key, request).await;
            handled.map_err(|error| describe(&error, &bucket, OperationSubject::Key(&key)))
        }
    }
}

fn describe(error: &KeyvalueError, bucket: &Bucket, subject: OperationSubject<'_>) -> String {
    format!("{error} ({})", OperationTarget { bucket, subject })
}

/// The bucket and the key of a request about one key.
fn subject_of(request: &Request) -> Option<(&str, &str)> {
    match request {
        Request::KeyvalueGet { bucket, key }
        | Request::KeyvalueSet { bucket, key, .. }
        | Request::KeyvalueDelete { bucket, key }
        | Request::KeyvalueIncrement { bucket, key, .. }
        | Request::KeyvalueCompareAndSet { bucket, key, .. }
        | Request::KeyvalueTtl { bucket, key }
        | Request::KeyvalueSetTtl { bucket, key, .. } => Some((bucket, key)),
        _ => None,
    }
}

/// Carries out a request about one key.
async fn handle_key(
    store: &KeyvalueStore,
    bucket: &Bucket,
    key: &str,
    request: Request,
) -> Result<Reply, KeyvalueError> {
    let quota = &QuotaChain::default();
    match request {
        Request::KeyvalueGet { .. } => {
            let value = store.get(bucket, key).await?;
            Ok(value.map_or(Reply::Nothing, |value| Reply::Content(ReplyData::Binary(value))))
        }
        Request::KeyvalueSet { value, ttl, .. } => {
            let value = value.into_bytes();
            let set = match ttl.map(Duration::from_millis) {
                Some(ttl) => store.set_with_ttl(bucket, key, value, ttl, quota).await,
                None => store.set(bucket, key, value, quota).await,
            };
            set.map(|()| Reply::Nothing)
        }
        Request::KeyvalueIncrement { delta, .. } => {
            store.increment(bucket, key, delta, quota).await.map(Reply::Number)
        }
        Request::KeyvalueCompareAndSet { expected, value, .. } => {
            let (expected, value) = (expected.map(Data::into_bytes), value.into_bytes());
            let swapped = store.compare_and_set(bucket, key, expected.as_deref(), value, quota);
            swapped.await.map(Reply::Flag)
        }
        Request::KeyvalueTtl { .. } => store.ttl(bucket, key).await.map(Reply::from),
        Request::KeyvalueSetTtl { ttl, .. } => {
            store.set_ttl(bucket, key, ttl.map(Duration::from_millis)).await.map(Reply::Flag)
        }
        // `subject_of` knows no other request.
        _ => store.delete(bucket, key).await.map(|()| Reply::Nothing),
    }
}

fn open(name: String) -> Result<Bucket, String> {
    let shown = format!("{name:?}");
    Bucket::new(&Tenant::default_tenant(), name).map_err(|error| format!("{error}, not {shown}"))
}

async fn list_keys(
    store: &KeyvalueStore,
    bucket: &Bucket,
    prefix: &str,
) -> Result<Vec<String>, KeyvalueError> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(bucket, prefix, cursor.as_deref(), PAGE_KEYS).await?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            keys.sort();
            return Ok(keys);
        }
    }
}

impl From<KeyTtl> for Reply {
    fn from(ttl: KeyTtl) -> Self {
        match ttl {
            KeyTtl::Missing => Self::Nothing,
            KeyTtl::Never => Self::Ttl { milliseconds: None },
            KeyTtl::Remaining(left) => {
                Self::Ttl { milliseconds: Some(left.as_millis().try_into().unwrap_or(u64::MAX)) }
            }
        }
    }
}
