//! The key-value store in Redis: a hash for each bucket, and a number for each tenant, the bytes that its buckets count
//! for. Each script changes both atomically, so the quota holds for all hosts together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ::redis::{FromRedisValue, RedisResult};

use super::key_names::KeyNames;
use super::operation::KeyvalueOperation;
use super::operation_health::OperationHealth;
use super::redis_request::RedisRequest;
use super::scripts::LuaScripts;
use super::shared_connection::{ConnectionLease, SharedRedisConnection};
use crate::entry_size::entry_overhead_bytes;
use crate::{Bucket, KeyvalueError, Page};
use narrowboat_config::RedisHost;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::{ErrorClass, RedisClient};

/// The approximate number of keys in a page. Redis reads the values of these keys too, but does not send them.
const SCAN_COUNT: usize = 100;

/// The reply of a script that would exceed the quota.
const OVER_QUOTA_REPLY: &str = "over";

/// A key-value store in Redis, and the connection to it.
#[derive(Debug)]
pub(crate) struct RedisStore {
    connection: SharedRedisConnection,
    keys: KeyNames,
    scripts: LuaScripts,
    /// The bytes that the buckets of each tenant counted for after the last change by this host.
    used_bytes: Mutex<HashMap<Tenant, u64>>,
    health: OperationHealth,
}

impl RedisStore {
    pub(crate) fn new(host: RedisHost, prefix: String) -> Self {
        Self {
            connection: SharedRedisConnection::new(RedisClient::new(host)),
            keys: KeyNames::new(prefix),
            scripts: LuaScripts::new(),
            used_bytes: Mutex::default(),
            health: OperationHealth::default(),
        }
    }

    pub(crate) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        let mut command = ::redis::cmd("HGET");
        command.arg(self.keys.bucket_key(bucket)).arg(key);
        self.run(KeyvalueOperation::Get, &RedisRequest::Command(&command)).await
    }

    pub(crate) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        let mut command = ::redis::cmd("HEXISTS");
        command.arg(self.keys.bucket_key(bucket)).arg(key);
        self.run(KeyvalueOperation::Exists, &RedisRequest::Command(&command)).await
    }

    pub(crate) async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.set.key(self.keys.bucket_key(bucket));
        script
            .key(self.keys.used_bytes_key(bucket))
            .arg(key)
            .arg(value)
            .arg(entry_overhead_bytes(bucket))
            .arg(quota);
        match self
            .run::<String>(KeyvalueOperation::Set, &RedisRequest::Script(&script))
            .await?
            .as_str()
        {
            OVER_QUOTA_REPLY => Err(KeyvalueError::QuotaExceeded { quota }),
            used => {
                self.record_used_bytes(bucket, used);
                Ok(())
            }
        }
    }

    pub(crate) async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.delete.key(self.keys.bucket_key(bucket));
        script.key(self.keys.used_bytes_key(bucket)).arg(key).arg(entry_overhead_bytes(bucket));
        let used: String =
            self.run(KeyvalueOperation::Delete, &RedisRequest::Script(&script)).await?;
        self.record_used_bytes(bucket, &used);
        Ok(())
    }

    pub(crate) async fn keys(
        &self,
        bucket: &Bucket,
        cursor: Option<&str>,
    ) -> Result<Page, KeyvalueError> {
        let cursor: u64 =
            cursor.unwrap_or("0").parse().map_err(|_| KeyvalueError::InvalidCursor)?;
        let mut script = self.scripts.keys.key(self.keys.bucket_key(bucket));
        script.arg(cursor).arg(SCAN_COUNT);
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
        let mut script = self.scripts.increment.key(self.keys.bucket_key(bucket));
        script
            .key(self.keys.used_bytes_key(bucket))
            .arg(key)
            .arg(delta)
            .arg(entry_overhead_bytes(bucket))
            .arg(quota);
        let (sum, used): (String, String) = self
            .run(KeyvalueOperation::Increment, &RedisRequest::NonIdempotentScript(&script))
            .await?;
        self.record_used_bytes(bucket, &used);
        match sum.as_str() {
            OVER_QUOTA_REPLY => Err(KeyvalueError::QuotaExceeded { quota }),
            sum => sum.parse().map_err(|_| KeyvalueError::NotAnInteger),
        }
    }

    /// Returns the bytes that the buckets of a tenant count for, if this host knows them.
    pub(crate) fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Records the number of bytes that a script returned.
    fn record_used_bytes(&self, bucket: &Bucket, used: &str) {
        if let Ok(used) = used.parse() {
            let mut known = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get_mut(bucket.tenant()) {
                Some(before) => *before = used,
                None => drop(known.insert(bucket.tenant().clone(), used)),
            }
        }
    }

    /// Sends a request, and records whether it succeeded. The error is for the plugin and does not name the server,
    /// which is in the log.
    async fn run<T: FromRedisValue>(
        &self,
        operation: KeyvalueOperation,
        request: &RedisRequest<'_>,
    ) -> Result<T, KeyvalueError> {
        match self.run_with_retry(request).await {
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
