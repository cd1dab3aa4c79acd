//! The connection to Redis, which all operations share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use narrowboat_redis_client::RedisClient;

/// The longest time for a reply.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The age up to which a connection is kept although the server refuses requests on it.
const MIN_CONNECTION_AGE: Duration = Duration::from_secs(1);

/// A server, and the current connection to it.
#[derive(Debug)]
pub(super) struct SharedRedisConnection {
    client: RedisClient,
    state: Mutex<CurrentConnection>,
}

#[derive(Debug, Default)]
struct CurrentConnection {
    lease: Option<ConnectionLease>,
    /// The number of connections that were made.
    last_generation: u64,
}

/// A connection for one request.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLease {
    pub(super) connection: MultiplexedConnection,
    /// Whether the connection was made for this request.
    pub(super) is_new: bool,
    generation: u64,
    connected_at: Instant,
}

impl SharedRedisConnection {
    pub(super) fn new(client: RedisClient) -> Self {
        Self { client, state: Mutex::default() }
    }

    /// Returns the name of the server for log lines.
    pub(super) fn server_name(&self) -> &str {
        self.client.name()
    }

    /// Returns the current connection, or makes a new one.
    pub(super) async fn get_or_connect(&self) -> RedisResult<ConnectionLease> {
        if let Some(lease) = self.lock().lease.clone() {
            return Ok(lease);
        }
        let connection = self.client.connect(RESPONSE_TIMEOUT).await?;
        // The previous connection is dropped after the lock is released.
        let (lease, _previous) = {
            let mut current = self.lock();
            current.last_generation += 1;
            let lease = ConnectionLease {
                connection,
                is_new: false,
                generation: current.last_generation,
                connected_at: Instant::now(),
            };
            (lease.clone(), current.lease.replace(lease))
        };
        Ok(ConnectionLease { is_new: true, ..lease })
    }

    /// Discards a closed connection, unless another request has made a newer one.
    pub(super) fn discard(&self, closed: &ConnectionLease) {
        // The connection is dropped after the lock is released.
        let _discarded = {
            let mut current = self.lock();
            match &current.lease {
                Some(lease) if lease.generation == closed.generation => current.lease.take(),
                _ => None,
            }
        };
    }

    /// Discards a connection on which the server refuses requests, since the next connection may lead to another
    /// server. Keeps a recent connection, since the server may refuse the requests on every connection.
    pub(super) fn discard_unless_recent(&self, refusing: &ConnectionLease) {
        if refusing.connected_at.elapsed() >= MIN_CONNECTION_AGE {
            self.discard(refusing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, CurrentConnection> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
