//! The key-value store in Redis: for each bucket a hash, and for each owner of buckets a number, the bytes that its
//! buckets count for, and a sorted set of the entries that expire. Each script changes them atomically, so the quota
//! holds for all hosts together.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Script, ScriptInvocation};

use super::key_names::{KeyNames, expiry_member};
use super::operation::KeyvalueOperation;
use super::operation_health::OperationHealth;
use super::redis_request::RedisRequest;
use super::room_scripts::RoomScripts;
use super::scripts::{AGAIN_REPLY, LuaScripts, OVER_QUOTA_REPLY};
use super::shared_connection::{ConnectionLease, SharedRedisConnection};
use crate::batch::MAX_BATCH_BYTES;
use crate::bucket::BucketOwner;
use crate::entry_size::ENTRY_OVERHEAD_BYTES;
use crate::{Bucket, KeyTtl, KeyvalueError, Page};
use narrowboat_config::RedisHost;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::{ErrorClass, RedisClient};

/// How often a write that would exceed the quota is sent, to remove entries that have expired.
const MAX_WRITE_ATTEMPTS: usize = 1_000;

/// A key-value store in Redis, and the connection to it.
#[derive(Debug)]
pub(crate) struct RedisStore {
    connection: SharedRedisConnection,
    pub(super) keys: KeyNames,
    scripts: LuaScripts,
    pub(super) room_scripts: RoomScripts,
    /// The name of this process as the owner of rooms.
    pub(super) owner: String,
    /// How long a lease of a room lasts.
    pub(super) lease: Duration,
    /// The bytes that the buckets of each tenant counted for after the last change by this host.
    used_bytes: Mutex<HashMap<Tenant, u64>>,
    health: OperationHealth,
}

/// The reply to `TIME` and `ZSCORE`.
type ExpiryReply = ((u64, u64), Option<f64>);

impl RedisStore {
    pub(crate) fn new(host: RedisHost, prefix: String, lease: Duration) -> Self {
        Self {
            connection: SharedRedisConnection::new(RedisClient::new(host)),
            keys: KeyNames::new(prefix),
            scripts: LuaScripts::new(),
            room_scripts: RoomScripts::new(),
            owner: format!("{:016x}", rand::random::<u64>()),
            lease,
            used_bytes: Mutex::default(),
            health: OperationHealth::default(),
        }
    }

    pub(crate) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        let (time, due, value): (_, _, Option<Vec<u8>>) =
            self.read(KeyvalueOperation::Get, bucket, key, "HGET").await?;
        Ok(value.filter(|_| remaining_time((time, due)) != Some(Duration::ZERO)))
    }

    pub(crate) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        let (time, due, exists): (_, _, bool) =
            self.read(KeyvalueOperation::Exists, bucket, key, "HEXISTS").await?;
        Ok(exists && remaining_time((time, due)) != Some(Duration::ZERO))
    }

    pub(crate) async fn ttl(&self, bucket: &Bucket, key: &str) -> Result<KeyTtl, KeyvalueError> {
        let (time, due, exists): (_, _, bool) =
            self.read(KeyvalueOperation::Ttl, bucket, key, "HEXISTS").await?;
        Ok(match remaining_time((time, due)) {
            _ if !exists => KeyTtl::Missing,
            None => KeyTtl::Never,
            Some(Duration::ZERO) => KeyTtl::Missing,
            Some(remaining) => KeyTtl::Remaining(remaining),
        })
    }

    pub(crate) async fn get_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, KeyvalueError> {
        let mut script = self.invocation(&self.scripts.get_many, bucket);
        script.arg(MAX_BATCH_BYTES).arg(keys);
        let (kind, values): (String, Vec<Option<Vec<u8>>>) =
            self.run(KeyvalueOperation::GetMany, &RedisRequest::Script(&script)).await?;
        match kind == "values" && values.len() == keys.len() {
            true => Ok(values),
            false => Err(KeyvalueError::BatchTooLarge { most: MAX_BATCH_BYTES }),
        }
    }

    /// Sets all entries or none.
    pub(crate) async fn set(
        &self,
        bucket: &Bucket,
        entries: Vec<(String, Vec<u8>)>,
        ttl: Option<Duration>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let mut script = self.invocation(&self.scripts.set, bucket);
        script.arg(quota).arg(millis_text(ttl));
        for (key, value) in &entries {
            script.arg(key).arg(value);
        }
        let operation = match *entries {
            [_] => KeyvalueOperation::Set,
            _ => KeyvalueOperation::SetMany,
        };
        self.write(operation, bucket, &RedisRequest::Script(&script), quota).await.map(drop)
    }

    pub(crate) async fn delete(
        &self,
        bucket: &Bucket,
        keys: &[impl AsRef<str>],
    ) -> Result<(), KeyvalueError> {
        let mut script = self.invocation(&self.scripts.delete, bucket);
        for key in keys {
            script.arg(key.as_ref());
        }
        let operation = match keys {
            [_] => KeyvalueOperation::Delete,
            _ => KeyvalueOperation::DeleteMany,
        };
        self.write(operation, bucket, &RedisRequest::Script(&script), 0).await.map(drop)
    }

    /// Returns a page of keys, as the server's `HSCAN` returns them: in no order, a key perhaps twice, and perhaps more
    /// keys than `limit`. A key that is there from the first page to the last is in one of them.
    pub(crate) async fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, KeyvalueError> {
        let cursor: u64 =
            cursor.unwrap_or("0").parse().map_err(|_| KeyvalueError::InvalidCursor)?;
        let mut script = self.invocation(&self.scripts.list, bucket);
        script.arg(cursor).arg(prefix_pattern(prefix)).arg(limit);
        let page = self.run(KeyvalueOperation::Keys, &RedisRequest::Script(&script)).await?;
        let (next, keys): (String, Vec<Vec<u8>>) = page;
        // Another program may have written keys that are not UTF-8. They are not keys of plugins.
        let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
        Ok(Page { keys, cursor: (next != "0").then_some(next) })
    }

    pub(crate) async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        let mut script = self.invocation(&self.scripts.increment, bucket);
        script.arg(quota).arg(key).arg(delta);
        let request = RedisRequest::NonIdempotentScript(&script);
        let sum = self.write(KeyvalueOperation::Increment, bucket, &request, quota).await?;
        sum.parse().map_err(|_| KeyvalueError::NotAnInteger)
    }

    pub(crate) async fn compare_and_set(
        &self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<bool, KeyvalueError> {
        let mut script = self.invocation(&self.scripts.compare_and_set, bucket);
        script.arg(quota).arg(key).arg(value);
        script.arg(u8::from(expected.is_some())).arg(expected.unwrap_or_default());
        let request = RedisRequest::NonIdempotentScript(&script);
        let reply = self.write(KeyvalueOperation::CompareAndSet, bucket, &request, quota).await?;
        Ok(reply == "set")
    }

    pub(crate) async fn set_ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, KeyvalueError> {
        let mut script = self.invocation(&self.scripts.set_ttl, bucket);
        script.arg(key).arg(millis_text(ttl));
        let request = RedisRequest::Script(&script);
        Ok(self.write(KeyvalueOperation::SetTtl, bucket, &request, 0).await? == "set")
    }

    /// Returns the bytes that the buckets of a tenant count for, if this host knows them.
    pub(crate) fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Begins a call of a script with the keys and arguments that all scripts have.
    pub(super) fn invocation<'a>(
        &self,
        script: &'a Script,
        bucket: &Bucket,
    ) -> ScriptInvocation<'a> {
        let mut invocation = script.key(self.keys.bucket_key(bucket));
        invocation.key(self.keys.used_bytes_key(bucket)).key(self.keys.expiries_key(bucket));
        invocation.arg(bucket.name()).arg(ENTRY_OVERHEAD_BYTES);
        invocation.arg(self.keys.bucket_key_start(bucket));
        invocation
    }

    /// Reads something of a key with a command for hashes, after the server's time and the key's time of expiry. The
    /// commands are not atomic, and need not be: an entry that the last one finds was there when the time was read, or
    /// was written since.
    async fn read<T: FromRedisValue + Send>(
        &self,
        operation: KeyvalueOperation,
        bucket: &Bucket,
        key: &str,
        command: &str,
    ) -> Result<((u64, u64), Option<f64>, T), KeyvalueError> {
        let mut last = Cmd::new();
        last.arg(command).arg(self.keys.bucket_key(bucket)).arg(key);
        let mut commands = Pipeline::new();
        commands.cmd("TIME").cmd("ZSCORE").arg(self.keys.expiries_key(bucket));
        commands.arg(expiry_member(bucket, key)).add_command(last);
        self.run(operation, &RedisRequest::Commands(&commands)).await
    }

    /// Runs a script that writes, and returns its result. A script that finds no room within the quota runs again while
    /// there are entries that have expired.
    pub(super) async fn write(
        &self,
        operation: KeyvalueOperation,
        bucket: &Bucket,
        request: &RedisRequest<'_>,
        quota: usize,
    ) -> Result<String, KeyvalueError> {
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let (result, used): (String, String) = self.run(operation, request).await?;
            self.record_used_bytes(bucket, &used);
            match result.as_str() {
                AGAIN_REPLY => {}
                OVER_QUOTA_REPLY => break,
                _ => return Ok(result),
            }
        }
        Err(KeyvalueError::QuotaExceeded { quota })
    }

    /// Records the number of bytes that a script returned.
    fn record_used_bytes(&self, bucket: &Bucket, used: &str) {
        let BucketOwner::Tenant(tenant) = bucket.owner() else { return };
        if let Ok(used) = used.parse() {
            let mut known = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get_mut(tenant) {
                Some(before) => *before = used,
                None => drop(known.insert(tenant.clone(), used)),
            }
        }
    }

    /// Sends a request, and records whether it succeeded. The error is for the plugin and does not name the server,
    /// which is in the log.
    pub(super) async fn run<T: FromRedisValue + Send>(
        &self,
        operation: KeyvalueOperation,
        request: &RedisRequest<'_>,
    ) -> Result<T, KeyvalueError> {
        // Without its type, because the futures of the client are too deep for the compiler to check those of callers.
        let attempt: Pin<Box<dyn Future<Output = RedisResult<T>> + Send + '_>> =
            Box::pin(self.run_with_retry(request));
        match attempt.await {
            Ok(reply) => {
                self.health.record_success(operation, self.connection.server_name());
                Ok(reply)
            }
            Err(error) => {
                self.health.record_failure(operation, self.connection.server_name(), &error);
                Err(KeyvalueError::Unavailable(error.code().unwrap_or(error.category()).to_owned()))
            }
        }
    }

    /// Sends a request. Sends it again on a new connection if the connection was an old one that turns out to be
    /// closed, and the request is idempotent.
    async fn run_with_retry<T: FromRedisValue>(
        &self,
        request: &RedisRequest<'_>,
    ) -> RedisResult<T> {
        let mut lease = self.connection.get_or_connect().await?;
        let reply = self.run_on(request, &mut lease).await;
        match reply {
            Err(error)
                if !lease.is_new && request.is_idempotent() && error.is_connection_dropped() =>
            {
                self.run_on(request, &mut self.connection.get_or_connect().await?).await
            }
            reply => reply,
        }
    }

    /// Sends a request on a connection, and discards the connection if it is closed or refuses further requests.
    async fn run_on<T: FromRedisValue>(
        &self,
        request: &RedisRequest<'_>,
        lease: &mut ConnectionLease,
    ) -> RedisResult<T> {
        let reply = request.execute(&mut lease.connection).await;
        if let Err(error) = &reply {
            match ErrorClass::of(error) {
                ErrorClass::Connection => self.connection.discard(lease),
                class if class.is_persistent() => self.connection.discard_unless_recent(lease),
                _ => {}
            }
        }
        reply
    }
}

/// Returns the time that is left of an entry; `None` if it does not expire.
fn remaining_time(((seconds, micros), due): ExpiryReply) -> Option<Duration> {
    let now = Duration::from_secs(seconds) + Duration::from_micros(micros);
    // The score is a number of milliseconds, which another program may have changed.
    let due = Duration::try_from_secs_f64(due? / 1000.0).unwrap_or_default();
    Some(due.saturating_sub(now))
}

/// Returns a time to live for a script, rounded up to whole milliseconds.
fn millis_text(ttl: Option<Duration>) -> String {
    ttl.map(|ttl| ttl.as_micros().div_ceil(1_000).to_string()).unwrap_or_default()
}

/// Returns the pattern of `HSCAN` that matches the keys with a prefix.
fn prefix_pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "*"
}
