//! Requests of a test about the keys and values of the plugin.

use std::time::Duration;

use crate::reply::{Reply, ReplyData};
use crate::request::{Data, Request};
use narrowboat_core::name::Tenant;
use narrowboat_keyvalue::{Bucket, KeyTtl, KeyvalueError, KeyvalueStore};
use narrowboat_quota::QuotaChain;

/// The keys that are asked for at once.
const PAGE_KEYS: usize = 1_000;

/// Carries out a request.
///
/// # Errors
/// The problem, for the author of the test.
pub(super) async fn handle(store: &KeyvalueStore, request: Request) -> Result<Reply, String> {
    let quota = QuotaChain::default();
    match request {
        Request::KeyvalueGet { bucket, key } => {
            let value = store.get(&open(bucket)?, &key).await.map_err(failed)?;
            Ok(value.map_or(Reply::Nothing, |value| Reply::Content(ReplyData::Binary(value))))
        }
        Request::KeyvalueSet { bucket, key, value, ttl } => {
            let (bucket, value) = (open(bucket)?, value.into_bytes());
            let set = match ttl.map(Duration::from_millis) {
                Some(ttl) => store.set_with_ttl(&bucket, &key, value, ttl, &quota).await,
                None => store.set(&bucket, &key, value, &quota).await,
            };
            set.map_err(failed).map(|()| Reply::Nothing)
        }
        Request::KeyvalueDelete { bucket, key } => {
            let deleted = store.delete(&open(bucket)?, &key).await;
            deleted.map_err(failed).map(|()| Reply::Nothing)
        }
        Request::KeyvalueIncrement { bucket, key, delta } => {
            let sum = store.increment(&open(bucket)?, &key, delta, &quota).await;
            sum.map_err(failed).map(Reply::Number)
        }
        Request::KeyvalueCompareAndSet { bucket, key, expected, value } => {
            let (bucket, value) = (open(bucket)?, value.into_bytes());
            let expected = expected.map(Data::into_bytes);
            let swapped =
                store.compare_and_set(&bucket, &key, expected.as_deref(), value, &quota).await;
            swapped.map_err(failed).map(Reply::Flag)
        }
        Request::KeyvalueTtl { bucket, key } => {
            store.ttl(&open(bucket)?, &key).await.map_err(failed).map(Reply::from)
        }
        Request::KeyvalueSetTtl { bucket, key, ttl } => {
            let ttl = ttl.map(Duration::from_millis);
            store.set_ttl(&open(bucket)?, &key, ttl).await.map_err(failed).map(Reply::Flag)
        }
        Request::KeyvalueKeys { bucket, prefix } => {
            list_keys(store, &open(bucket)?, &prefix).await.map_err(failed).map(Reply::Texts)
        }
        // The caller handles all other requests.
        _ => Err("the host does not know the request".to_owned()),
    }
}

fn failed(error: KeyvalueError) -> String {
    error.to_string()
}

fn open(name: String) -> Result<Bucket, String> {
    Bucket::new(&Tenant::default_tenant(), name).map_err(failed)
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
