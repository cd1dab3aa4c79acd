//! The one connection to a Redis, which all who ask share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use narrowboat_redis_client::RedisClient;

/// How long an answer may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection is kept at least on which the server answers, whatever it answers.
const MIN_CONNECTION_AGE: Duration = Duration::from_secs(1);

/// A server, and the connection to it if there is one.
#[derive(Debug)]
pub(super) struct SharedRedisConnection {
    client: RedisClient,
    state: Mutex<CurrentConnection>,
}

#[derive(Debug, Default)]
struct CurrentConnection {
    lease: Option<ConnectionLease>,
    /// How many were made.
    last_generation: u64,
}

/// The connection, as whoever asks has it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLease {
    pub(super) connection: MultiplexedConnection,
    /// Whether it was made for who has it.
    pub(super) is_new: bool,
    generation: u64,
    connected_at: Instant,
}

impl SharedRedisConnection {
    pub(super) fn new(client: RedisClient) -> Self {
        Self { client, state: Mutex::default() }
    }

    /// What people call the server.
    pub(super) fn server_name(&self) -> &str {
        self.client.name()
    }

    /// The connection that there is, or a new one.
    pub(super) async fn get_or_connect(&self) -> RedisResult<ConnectionLease> {
        if let Some(taken) = self.lock().lease.clone() {
            return Ok(taken);
        }
        let connection = self.client.connect(RESPONSE_TIMEOUT).await?;
        // The one before is let go outside of the lock.
        let (taken, _before) = {
            let mut kept = self.lock();
            kept.last_generation += 1;
            let (number, since) = (kept.last_generation, Instant::now());
            let taken = ConnectionLease {
                connection,
                is_new: false,
                generation: number,
                connected_at: since,
            };
            (taken.clone(), kept.lease.replace(taken))
        };
        Ok(ConnectionLease { is_new: true, ..taken })
    }

    /// Forgets a connection that is gone, unless another call has made a newer one since.
    pub(super) fn discard(&self, gone: &ConnectionLease) {
        let _before = {
            let mut kept = self.lock();
            match &kept.lease {
                Some(taken) if taken.generation == gone.generation => kept.lease.take(),
                _ => None,
            }
        };
    }

    /// The same for one on which the server refuses what it is asked for: the next server asked may be another. Not at
    /// once, since it may as well refuse that on each connection.
    pub(super) fn discard_unless_recent(&self, refusing: &ConnectionLease) {
        if refusing.connected_at.elapsed() >= MIN_CONNECTION_AGE {
            self.discard(refusing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, CurrentConnection> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
