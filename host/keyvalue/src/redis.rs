//! Keys and values in a Redis: a hash a bucket, and beside them one number a tenant, the bytes that its buckets count
//! for. Each script changes both in one go, so that the quota holds for all hosts together.

mod connection;
mod refusals;
mod scripts;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, RedisResult, Script, ScriptInvocation};

use self::connection::{Connection, Taken};
use self::refusals::{Operation, Refusals};
use super::{Bucket, ENTRY, KeyvalueError, Page};
use narrowboat_config::RedisHost;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::{ErrorClass, RedisHostClient};

/// Keys that one page looks at, about. Their values are read with them, in Redis itself.
const SCANNED: usize = 100;

/// What a script answers with where the quota does not allow it.
const OVER: &str = "over";

/// A Redis, and the one connection to it.
#[derive(Debug)]
pub(super) struct RedisStore {
    connection: Connection,
    prefix: String,
    scripts: Scripts,
    /// Bytes of each tenant, as they were when this host last changed them.
    used: Mutex<HashMap<Tenant, u64>>,
    refusals: Refusals,
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
        Self {
            connection: Connection::new(RedisHostClient::new(host)),
            prefix,
            scripts,
            used: Mutex::default(),
            refusals: Refusals::default(),
        }
    }

    pub(super) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        let mut command = ::redis::cmd("HGET");
        command.arg(self.hash(bucket)).arg(key);
        self.ask(Operation::Get, &Ask::Command(&command)).await
    }

    pub(super) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        let mut command = ::redis::cmd("HEXISTS");
        command.arg(self.hash(bucket)).arg(key);
        self.ask(Operation::Exists, &Ask::Command(&command)).await
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
        match self.ask::<String>(Operation::Set, &Ask::Script(&script)).await?.as_str() {
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
        let used: String = self.ask(Operation::Delete, &Ask::Script(&script)).await?;
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
        let page = self.ask(Operation::Keys, &Ask::Script(&script)).await?;
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
        let mut script = self.scripts.increment.key(self.hash(bucket));
        script.key(self.counter(bucket)).arg(key).arg(delta).arg(base(bucket)).arg(quota);
        let (sum, used): (String, String) =
            self.ask(Operation::Increment, &Ask::Once(&script)).await?;
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

    /// Asks. What a guest is told of a failure says nothing of where the server is; the log does.
    async fn ask<T: FromRedisValue>(
        &self,
        operation: Operation,
        ask: &Ask<'_>,
    ) -> Result<T, KeyvalueError> {
        match self.answer(ask).await {
            Ok(answer) => {
                self.refusals.passed(operation, self.connection.name());
                Ok(answer)
            }
            Err(error) => {
                self.refusals.failed(operation, self.connection.name(), &error);
                Err(KeyvalueError::Unavailable(error.code().unwrap_or(error.category()).to_owned()))
            }
        }
    }

    /// Asks, on a new connection if there is none, and once more if the one there was turns out to be gone and to ask
    /// twice is as to ask once.
    async fn answer<T: FromRedisValue>(&self, ask: &Ask<'_>) -> RedisResult<T> {
        let mut taken = self.connection.take().await?;
        let answer = self.put(ask, &mut taken).await;
        match answer {
            Err(error) if !taken.is_new && !ask.is_once() && error.is_connection_dropped() => {
                self.put(ask, &mut self.connection.take().await?).await
            }
            answer => answer,
        }
    }

    /// Asks on a connection, which is forgotten if it is no good.
    async fn put<T: FromRedisValue>(&self, ask: &Ask<'_>, taken: &mut Taken) -> RedisResult<T> {
        let answer = ask.put(&mut taken.connection).await;
        if let Err(error) = &answer {
            match ErrorClass::of(error) {
                ErrorClass::Connection => self.connection.forget(taken),
                class if class.is_lasting() => self.connection.forget_refusing(taken),
                _ => {}
            }
        }
        answer
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
