//! Keys and values in a Redis: a hash a bucket, and beside them one number a tenant, the bytes that its buckets count
//! for. Each script changes both in one go, so that the quota holds for all hosts together.

mod scripts;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation};

use super::{Bucket, ENTRY, KeyvalueError, Page};
use crate::config::RedisHost;
use crate::layer::{ErrorClass, RedisHostClient, WarnLimiter};
use crate::name::Tenant;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Keys that one page looks at, about. Their values are read with them, in Redis itself.
const SCANNED: usize = 100;

/// What a script answers with where the quota does not allow it.
const OVER: &str = "over";

/// A Redis, and the one connection to it.
#[derive(Debug)]
pub(super) struct RedisStore {
    server: RedisHostClient,
    prefix: String,
    scripts: Scripts,
    /// Taken up by whoever asks, and forgotten by whoever finds it gone.
    connection: Mutex<Option<MultiplexedConnection>>,
    /// Bytes of each tenant, as they were when this host last changed them.
    used: Mutex<HashMap<Tenant, u64>>,
    /// Whether the last that was asked met a server that is away or refuses everything.
    is_away: AtomicBool,
    refusals: WarnLimiter,
}

#[derive(Debug)]
struct Scripts {
    set: Script,
    delete: Script,
    keys: Script,
    increment: Script,
}

impl RedisStore {
    pub(super) fn new(host: RedisHost, prefix: String) -> Self {
        let scripts = Scripts {
            set: Script::new(scripts::SET),
            delete: Script::new(scripts::DELETE),
            keys: Script::new(scripts::KEYS),
            increment: Script::new(scripts::INCREMENT),
        };
        let server = RedisHostClient::new(host);
        Self {
            server,
            prefix,
            scripts,
            connection: Mutex::default(),
            used: Mutex::default(),
            is_away: AtomicBool::new(false),
            refusals: WarnLimiter::default(),
        }
    }

    pub(super) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.ask(&Ask::Command(::redis::cmd("HGET").arg(self.hash(bucket)).arg(key))).await
    }

    pub(super) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        self.ask(&Ask::Command(::redis::cmd("HEXISTS").arg(self.hash(bucket)).arg(key))).await
    }

    pub(super) async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.set.key(self.hash(bucket));
        script.key(self.counter(bucket)).arg(key).arg(value).arg(base(bucket)).arg(quota);
        match self.ask::<String>(&Ask::Script(&script)).await?.as_str() {
            OVER => Err(KeyvalueError::Quota { quota }),
            used => {
                self.note(bucket, used);
                Ok(())
            }
        }
    }

    pub(super) async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        let mut script = self.scripts.delete.key(self.hash(bucket));
        script.key(self.counter(bucket)).arg(key).arg(base(bucket));
        let used: String = self.ask(&Ask::Script(&script)).await?;
        self.note(bucket, &used);
        Ok(())
    }

    pub(super) async fn keys(
        &self,
        bucket: &Bucket,
        from: Option<&str>,
    ) -> Result<Page, KeyvalueError> {
        let from: u64 = from.unwrap_or("0").parse().map_err(|_| KeyvalueError::BadCursor)?;
        let mut script = self.scripts.keys.key(self.hash(bucket));
        script.arg(from).arg(SCANNED);
        let (next, keys): (String, Vec<Vec<u8>>) = self.ask(&Ask::Script(&script)).await?;
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
        let mut script = self.scripts.increment.key(self.hash(bucket));
        script.key(self.counter(bucket)).arg(key).arg(delta).arg(base(bucket)).arg(quota);
        let (sum, used): (String, String) = self.ask(&Ask::Once(&script)).await?;
        self.note(bucket, &used);
        match sum.as_str() {
            OVER => Err(KeyvalueError::Quota { quota }),
            sum => sum.parse().map_err(|_| KeyvalueError::NoNumber),
        }
    }

    /// Bytes that a tenant's buckets count for, as far as this host knows.
    pub(super) fn used(&self, tenant: &Tenant) -> Option<u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Notes what a script has told.
    fn note(&self, bucket: &Bucket, used: &str) {
        if let Ok(used) = used.parse() {
            let mut known = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get_mut(bucket.tenant()) {
                Some(before) => *before = used,
                None => drop(known.insert(bucket.tenant().clone(), used)),
            }
        }
    }

    /// Asks, on a new connection if there is none, and once more if the one there was turns out to be gone and to ask
    /// twice is as to ask once.
    async fn ask<T: FromRedisValue>(&self, ask: &Ask<'_>) -> Result<T, KeyvalueError> {
        let (mut connection, is_new) = match self.known() {
            Some(connection) => (connection, false),
            None => (self.connect().await?, true),
        };
        let answer = match ask.put(&mut connection).await {
            Err(error) if !is_new && !ask.is_once() && error.is_connection_dropped() => {
                ask.put(&mut self.connect().await?).await
            }
            answer => answer,
        };
        match answer {
            Ok(answer) => {
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("keyvalue: Redis at {} is back", self.server.name());
                }
                Ok(answer)
            }
            Err(error) => {
                // A server that refuses everything may have become a replica: the next one asked may be another.
                if ErrorClass::of(&error).is_lasting() {
                    self.keep(None);
                }
                Err(self.away(&error))
            }
        }
    }

    fn known(&self) -> Option<MultiplexedConnection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, connection: Option<MultiplexedConnection>) {
        // The one before is let go outside of the lock.
        let before = {
            let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *kept, connection)
        };
        drop(before);
    }

    async fn connect(&self) -> Result<MultiplexedConnection, KeyvalueError> {
        let connected = self.server.connect(ANSWER).await;
        let connection = connected.map_err(|error| self.away(&error))?;
        self.keep(Some(connection.clone()));
        Ok(connection)
    }

    /// What a guest is told says nothing of where the server is; the log does, once while it lasts.
    fn away(&self, error: &RedisError) -> KeyvalueError {
        let is_news = match ErrorClass::of(error).is_lasting() {
            true => !self.is_away.swap(true, Ordering::Relaxed),
            false => self.refusals.allows(),
        };
        if is_news {
            tracing::warn!("keyvalue: Redis at {}: {error}", self.server.name());
        }
        KeyvalueError::Unavailable(error.code().unwrap_or(error.category()).to_owned())
    }

    fn hash(&self, bucket: &Bucket) -> String {
        format!("{}:bucket:{}", self.beginning(bucket.tenant()), bucket.name())
    }

    /// The name is none that a bucket's key can have.
    fn counter(&self, bucket: &Bucket) -> String {
        format!("{}:bytes", self.beginning(bucket.tenant()))
    }

    /// As the keys of a layer begin: none of the default tenant's has an `@`.
    fn beginning(&self, tenant: &Tenant) -> String {
        match *tenant == Tenant::default_tenant() {
            true => self.prefix.clone(),
            false => format!("{}@{tenant}@", self.prefix),
        }
    }
}

/// What is asked of Redis.
enum Ask<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
    /// A script that does another thing when it runs again.
    Once(&'a ScriptInvocation<'a>),
}

impl Ask<'_> {
    async fn put<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) | Self::Once(script) => script.invoke_async(connection).await,
        }
    }

    fn is_once(&self) -> bool {
        matches!(self, Self::Once(_))
    }
}

/// Bytes that an entry counts for beside its key and value.
fn base(bucket: &Bucket) -> usize {
    ENTRY + bucket.name().len()
}
