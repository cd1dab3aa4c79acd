//! Keys and values in a Redis: a hash a bucket, and beside them one number a tenant, the bytes that its buckets count
//! for. Each script changes both in one go, so that the quota holds for all hosts together.

mod operation_health;
mod scripts;
mod shared_connection;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, RedisResult, Script, ScriptInvocation};

use self::operation_health::{KeyvalueOperation, OperationHealth};
use self::shared_connection::{ConnectionLease, SharedRedisConnection};
use super::{Bucket, ENTRY_OVERHEAD_BYTES, KeyvalueError, Page};
use narrowboat_config::RedisHost;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::{ErrorClass, RedisClient};

/// Keys that one page looks at, about. Their values are read with them, in Redis itself.
const SCAN_COUNT: usize = 100;

/// What a script answers with where the quota does not allow it.
const OVER_QUOTA_REPLY: &str = "over";

/// A Redis, and the one connection to it.
#[derive(Debug)]
pub(super) struct RedisStore {
    connection: SharedRedisConnection,
    prefix: String,
    scripts: LuaScripts,
    /// Bytes of each tenant, as they were when this host last changed them.
    used_bytes: Mutex<HashMap<Tenant, u64>>,
    health: OperationHealth,
}

#[derive(Debug)]
struct LuaScripts {
    set: Script,
    delete: Script,
    keys: Script,
    increment: Script,
}

impl RedisStore {
    pub(super) fn new(host: RedisHost, prefix: String) -> Self {
        let scripts = LuaScripts {
            set: Script::new(scripts::SET),
            delete: Script::new(scripts::DELETE),
            keys: Script::new(scripts::KEYS),
            increment: Script::new(scripts::INCREMENT),
        };
        Self {
            connection: SharedRedisConnection::new(RedisClient::new(host)),
            prefix,
            scripts,
            used_bytes: Mutex::default(),
            health: OperationHealth::default(),
        }
    }

    pub(super) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        let mut command = ::redis::cmd("HGET");
        command.arg(self.bucket_key(bucket)).arg(key);
        self.run(KeyvalueOperation::Get, &RedisRequest::Command(&command)).await
    }

    pub(super) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        let mut command = ::redis::cmd("HEXISTS");
        command.arg(self.bucket_key(bucket)).arg(key);
        self.run(KeyvalueOperation::Exists, &RedisRequest::Command(&command)).await
    }

    pub(super) async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.set.key(self.bucket_key(bucket));
        script
            .key(self.used_bytes_key(bucket))
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

    pub(super) async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.delete.key(self.bucket_key(bucket));
        script.key(self.used_bytes_key(bucket)).arg(key).arg(entry_overhead_bytes(bucket));
        let used: String =
            self.run(KeyvalueOperation::Delete, &RedisRequest::Script(&script)).await?;
        self.record_used_bytes(bucket, &used);
        Ok(())
    }

    pub(super) async fn keys(
        &self,
        bucket: &Bucket,
        from: Option<&str>,
    ) -> Result<Page, KeyvalueError> {
        let from: u64 = from.unwrap_or("0").parse().map_err(|_| KeyvalueError::InvalidCursor)?;
        let mut script = self.scripts.keys.key(self.bucket_key(bucket));
        script.arg(from).arg(SCAN_COUNT);
        let page = self.run(KeyvalueOperation::Keys, &RedisRequest::Script(&script)).await?;
        let (next, keys): (String, Vec<Vec<u8>>) = page;
        // What others may have put there is no key of ours.
        let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
        Ok(Page { keys, cursor: (next != "0").then_some(next) })
    }

    pub(super) async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        let mut script = self.scripts.increment.key(self.bucket_key(bucket));
        script
            .key(self.used_bytes_key(bucket))
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

    /// Bytes that a tenant's buckets count for, as far as this host knows.
    pub(super) fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Notes what a script has told.
    fn record_used_bytes(&self, bucket: &Bucket, used: &str) {
        if let Ok(used) = used.parse() {
            let mut known = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get_mut(bucket.tenant()) {
                Some(before) => *before = used,
                None => drop(known.insert(bucket.tenant().clone(), used)),
            }
        }
    }

    /// Asks. What a guest is told of a failure says nothing of where the server is; the log does.
    async fn run<T: FromRedisValue>(
        &self,
        operation: KeyvalueOperation,
        ask: &RedisRequest<'_>,
    ) -> Result<T, KeyvalueError> {
        match self.run_with_retry(ask).await {
            Ok(answer) => {
                self.health.record_success(operation, self.connection.server_name());
                Ok(answer)
            }
            Err(error) => {
                self.health.record_failure(operation, self.connection.server_name(), &error);
                Err(KeyvalueError::Unavailable(error.code().unwrap_or(error.category()).to_owned()))
            }
        }
    }

    /// Asks, on a new connection if there is none, and once more if the one there was turns out to be gone and to ask
    /// twice is as to ask once.
    async fn run_with_retry<T: FromRedisValue>(&self, ask: &RedisRequest<'_>) -> RedisResult<T> {
        let mut taken = self.connection.get_or_connect().await?;
        let answer = self.run_on(ask, &mut taken).await;
        match answer {
            Err(error)
                if !taken.is_new && !ask.is_not_idempotent() && error.is_connection_dropped() =>
            {
                self.run_on(ask, &mut self.connection.get_or_connect().await?).await
            }
            answer => answer,
        }
    }

    /// Asks on a connection, which is forgotten if it is no good.
    async fn run_on<T: FromRedisValue>(
        &self,
        ask: &RedisRequest<'_>,
        taken: &mut ConnectionLease,
    ) -> RedisResult<T> {
        let answer = ask.execute(&mut taken.connection).await;
        if let Err(error) = &answer {
            match ErrorClass::of(error) {
                ErrorClass::Connection => self.connection.discard(taken),
                class if class.is_persistent() => self.connection.discard_unless_recent(taken),
                _ => {}
            }
        }
        answer
    }

    fn bucket_key(&self, bucket: &Bucket) -> String {
        format!("{}:bucket:{}", self.key_prefix(bucket.tenant()), bucket.name())
    }

    /// The name is none that a bucket's key can have.
    fn used_bytes_key(&self, bucket: &Bucket) -> String {
        format!("{}:bytes", self.key_prefix(bucket.tenant()))
    }

    /// As the keys of a layer begin: none of the default tenant's has an `@`.
    fn key_prefix(&self, tenant: &Tenant) -> String {
        match *tenant == Tenant::default_tenant() {
            true => self.prefix.clone(),
            false => format!("{}@{tenant}@", self.prefix),
        }
    }
}

/// What is asked of Redis.
enum RedisRequest<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
    /// A script that does another thing when it runs again.
    NonIdempotentScript(&'a ScriptInvocation<'a>),
}

impl RedisRequest<'_> {
    async fn execute<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) | Self::NonIdempotentScript(script) => {
                script.invoke_async(connection).await
            }
        }
    }

    fn is_not_idempotent(&self) -> bool {
        matches!(self, Self::NonIdempotentScript(_))
    }
}

/// Bytes that an entry counts for beside its key and value.
fn entry_overhead_bytes(bucket: &Bucket) -> usize {
    ENTRY_OVERHEAD_BYTES + bucket.name().len()
}
