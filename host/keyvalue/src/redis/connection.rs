//! The one connection to a Redis, which all who ask share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use narrowboat_redis_client::RedisHostClient;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a connection is kept at least on which the server answers, whatever it answers.
const KEPT: Duration = Duration::from_secs(1);

/// A server, and the connection to it if there is one.
#[derive(Debug)]
pub(super) struct Connection {
    server: RedisHostClient,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    taken: Option<Taken>,
    /// How many were made.
    count: u64,
}

/// The connection, as whoever asks has it.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) connection: MultiplexedConnection,
    /// Whether it was made for who has it.
    pub(super) is_new: bool,
    number: u64,
    since: Instant,
}

impl Connection {
    pub(super) fn new(server: RedisHostClient) -> Self {
        Self { server, kept: Mutex::default() }
    }

    /// What people call the server.
    pub(super) fn name(&self) -> &str {
        self.server.name()
    }

    /// The connection that there is, or a new one.
    pub(super) async fn take(&self) -> RedisResult<Taken> {
        if let Some(taken) = self.lock().taken.clone() {
            return Ok(taken);
        }
        let connection = self.server.connect(ANSWER).await?;
        // The one before is let go outside of the lock.
        let (taken, _before) = {
            let mut kept = self.lock();
            kept.count += 1;
            let (number, since) = (kept.count, Instant::now());
            let taken = Taken { connection, is_new: false, number, since };
            (taken.clone(), kept.taken.replace(taken))
        };
        Ok(Taken { is_new: true, ..taken })
    }

    /// Forgets a connection that is gone, unless another call has made a newer one since.
    pub(super) fn forget(&self, gone: &Taken) {
        let _before = {
            let mut kept = self.lock();
            match &kept.taken {
                Some(taken) if taken.number == gone.number => kept.taken.take(),
                _ => None,
            }
        };
    }

    /// The same for one on which the server refuses what it is asked for: the next server asked may be another. Not at
    /// once, since it may as well refuse that on each connection.
    pub(super) fn forget_refusing(&self, refusing: &Taken) {
        if refusing.since.elapsed() >= KEPT {
            self.forget(refusing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
