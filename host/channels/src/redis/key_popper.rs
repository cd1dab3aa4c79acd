//! Popping messages from a key without losing a reply.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use crate::LayerLimits;
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// The longest blocking wait for a message in Redis.
const MAX_BLOCKING_WAIT: Duration = Duration::from_secs(5);

/// The shortest blocking wait. The first wait on a connection is this short, so that a refusal is known at once.
const MIN_BLOCKING_WAIT: Duration = Duration::from_millis(10);

/// The time limit for the reply to a pop, which includes the blocking wait.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(8);

/// The largest number of abandoned pops that may still get a reply. Another one replaces the oldest.
const MAX_ABANDONED_POPS: usize = 16;

/// The time for which the next pop waits for the abandoned pops.
const ABANDONED_POP_GRACE: Duration = Duration::from_secs(1);

/// The interval of the commands that end abandoned pops.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Returns the time for which a pop may get a reply. The messages of a later reply would have expired.
pub(super) fn pop_timeout(limits: &LayerLimits) -> Duration {
    limits.expiry.max(REPLY_TIMEOUT)
}

/// Returns the blocking wait of a pop. The reader knows no better when the key was last empty, so a message may have
/// waited as long as two pops. That must be well below `expiry`.
fn blocking_wait(limits: &LayerLimits) -> Duration {
    (limits.expiry / 4).clamp(MIN_BLOCKING_WAIT, MAX_BLOCKING_WAIT)
}

/// An encoded message from a key, and its score there.
pub(super) type ScoredMessage = (Vec<u8>, f64);

/// The result of one pop.
pub(super) struct PopResult {
    pub(super) messages: Vec<ScoredMessage>,
    /// The error of a command that Redis refused. The messages of other commands are there all the same.
    pub(super) error: Option<RedisError>,
    /// The longest time that a message can have waited: since the key was last seen empty, if ever.
    pub(super) max_wait: Option<Duration>,
    /// Whether the pop left the key empty.
    is_key_empty: bool,
    /// The time at which the pop was sent.
    sent_at: Instant,
}

/// The commands of a pop. The last one returns the number of messages that are left.
struct PopCommands {
    key: String,
    extra_count: usize,
}

impl PopCommands {
    fn new(key: &str, extra_count: usize) -> Self {
        Self { key: key.to_owned(), extra_count }
    }

    fn build_pipeline(&self, blocking_wait: Duration) -> Pipeline {
        let mut commands = Pipeline::new();
        commands.cmd("BZPOPMIN").arg(&self.key).arg(blocking_wait.as_secs_f64());
        if self.extra_count > 0 {
            commands.cmd("ZPOPMIN").arg(&self.key).arg(self.extra_count);
        }
        commands.cmd("ZCARD").arg(&self.key);
        commands
    }

    fn reply_count(&self) -> usize {
        if self.extra_count > 0 { 3 } else { 2 }
    }
}

type PopFuture = Pin<Box<dyn Future<Output = RedisResult<PopResult>> + Send>>;

/// Pops messages from one key, again and again.
///
/// A popped message exists only in the reply. So a pop without a reply in time is abandoned, not dropped: it is kept
/// until it has a reply, its connection ends or its messages would have expired. No message is delivered twice, since
/// each is popped once.
pub(super) struct KeyPopper {
    commands: PopCommands,
    /// Whether a pop on this connection has succeeded.
    has_succeeded: bool,
    /// The time for which an abandoned pop is kept.
    pop_timeout: Duration,
    /// The blocking wait of a pop.
    blocking_wait: Duration,
    /// The ID of the connection, or 0 if it is unknown.
    connection_id: i64,
    current: Option<PopFuture>,
    /// Abandoned pops, with the IDs of their connections.
    abandoned: VecDeque<(i64, PopFuture)>,
    /// Whether the abandoned pops have ended, or had [`ABANDONED_POP_GRACE`] to do so.
    is_abandoned_settled: bool,
    /// The time at which the key was last seen empty.
    last_seen_empty: Option<Instant>,
}

impl KeyPopper {
    /// Creates a popper for a key. Each pop waits for one message and takes up to `extra_count` more. `is_new` says
    /// that the key is empty now.
    pub(super) fn new(key: &str, extra_count: usize, limits: &LayerLimits, is_new: bool) -> Self {
        let commands = PopCommands::new(key, extra_count);
        let last_seen_empty = is_new.then(Instant::now);
        let abandoned = VecDeque::new();
        Self {
            commands,
            has_succeeded: false,
            pop_timeout: pop_timeout(limits),
            blocking_wait: blocking_wait(limits),
            connection_id: 0,
            current: None,
            abandoned,
            is_abandoned_settled: false,
            last_seen_empty,
        }
    }

    /// Uses a new connection from now on.
    pub(super) fn set_connection(&mut self, connection_id: i64) {
        self.abandon_current();
        self.connection_id = connection_id;
    }

    /// Whether a pop on this connection has succeeded.
    pub(super) fn has_succeeded(&self) -> bool {
        self.has_succeeded
    }

    /// Whether a pop has no reply yet.
    pub(super) fn is_in_flight(&self) -> bool {
        self.current.is_some() || !self.abandoned.is_empty()
    }

    /// Returns the next messages, perhaps those of an abandoned pop. Cancel safe.
    ///
    /// # Errors
    /// Those of the connection, or a timeout.
    pub(super) async fn next_messages(
        &mut self,
        connection: &MultiplexedConnection,
    ) -> RedisResult<PopResult> {
        if !self.is_abandoned_settled {
            let settled = match timeout(REPLY_TIMEOUT, self.settle_abandoned(connection)).await {
                Ok(settled) => settled?,
                Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            };
            if let Some(popped) = settled {
                return Ok(self.record_key_state(popped));
            }
            self.is_abandoned_settled = true;
        }
        if self.current.is_none() {
            let commands = self.commands.build_pipeline(if self.has_succeeded {
                self.blocking_wait
            } else {
                MIN_BLOCKING_WAIT
            });
            let pop = pop_key(connection.clone(), commands, self.commands.reply_count());
            self.current = Some(Box::pin(pop));
        }
        match timeout(REPLY_TIMEOUT, poll_fn(|cx| self.poll_next(cx))).await {
            Ok(popped) => popped.map(|popped| self.record_key_state(popped)),
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Abandons the current pop, since its connection may be broken.
    pub(super) fn abandon_current(&mut self) {
        self.has_succeeded = false;
        self.is_abandoned_settled = false;
        let Some(pop) = self.current.take() else { return };
        if self.abandoned.len() >= MAX_ABANDONED_POPS {
            self.abandoned.pop_front();
        }
        let pop_timeout = self.pop_timeout;
        let pop = Box::pin(async move {
            match timeout(pop_timeout, pop).await {
                Ok(popped) => popped,
                Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        });
        self.abandoned.push_back((self.connection_id, pop));
    }

    /// Makes Redis end the abandoned pops, and waits a little for their messages. Two pops that wait at once would take
    /// turns, which would break the order.
    async fn settle_abandoned(
        &mut self,
        connection: &MultiplexedConnection,
    ) -> RedisResult<Option<PopResult>> {
        let mut unblock = Pipeline::new();
        for (connection_id, _) in &self.abandoned {
            unblock.cmd("CLIENT").arg("UNBLOCK").arg(*connection_id);
        }
        let (count, mut connection) = (self.abandoned.len(), connection.clone());
        let deadline = Instant::now() + ABANDONED_POP_GRACE;
        while !self.abandoned.is_empty() && Instant::now() < deadline {
            let replies = connection.send_packed_commands(&unblock, 0, count).await?;
            // A server that refuses all commands cannot be popped yet. Without the permission for this one, the pops
            // end when their blocking wait does.
            if let Some(error) = find_persistent_error(&replies)
                && ErrorClass::of(&error) != ErrorClass::Access
            {
                return Err(error);
            }
            // A pop may reach Redis after this command. Then the next command ends it.
            if let Ok(result) = timeout(UNBLOCK_INTERVAL, self.abandoned_result()).await {
                return Ok(result);
            }
        }
        Ok(None)
    }

    /// Abandons the current pop and returns the next messages of an abandoned pop, or `None` when none is left.
    pub(super) async fn next_abandoned(&mut self) -> Option<PopResult> {
        self.abandon_current();
        self.abandoned_result().await.map(|popped| self.record_key_state(popped))
    }

    async fn abandoned_result(&mut self) -> Option<PopResult> {
        let result = poll_fn(|cx| match self.poll_abandoned(cx) {
            Poll::Ready(popped) => Poll::Ready(Some(popped)),
            Poll::Pending if self.abandoned.is_empty() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        result.await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<RedisResult<PopResult>> {
        if let Poll::Ready(popped) = self.poll_abandoned(cx) {
            return Poll::Ready(Ok(popped));
        }
        let Some(pop) = &mut self.current else { return Poll::Pending };
        let popped = std::task::ready!(pop.as_mut().poll(cx));
        self.current = None;
        self.has_succeeded |= popped.as_ref().is_ok_and(|popped| popped.error.is_none());
        Poll::Ready(popped)
    }

    /// Returns the messages of an abandoned pop. Drops those that failed.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<PopResult> {
        let mut found = None;
        self.abandoned.retain_mut(|(_, pop)| match found {
            Some(_) => true,
            None => match pop.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(popped) => {
                    found = popped.ok().filter(|popped| !popped.messages.is_empty());
                    if let Some(popped) = &mut found {
                        // The error is not about the current connection.
                        popped.error = None;
                    }
                    false
                }
            },
        });
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// Records whether the key was empty, and sets the longest time that the messages can have waited.
    fn record_key_state(&mut self, mut popped: PopResult) -> PopResult {
        popped.max_wait = self.last_seen_empty.map(|seen_at| seen_at.elapsed());
        if popped.is_key_empty {
            self.last_seen_empty = self.last_seen_empty.max(Some(popped.sent_at));
        }
        popped
    }
}

async fn pop_key(
    mut connection: MultiplexedConnection,
    commands: Pipeline,
    count: usize,
) -> RedisResult<PopResult> {
    let sent_at = Instant::now();
    let mut replies = connection.send_packed_commands(&commands, 0, count).await?;
    let is_key_empty = matches!(replies.pop(), Some(Value::Int(0)));
    let (mut messages, mut first_error) = (Vec::new(), None);
    for reply in replies {
        match reply {
            Value::ServerError(error) => first_error = first_error.or_else(|| Some(error.into())),
            Value::Array(mut items) => {
                // The reply to BZPOPMIN begins with the key.
                if items.len() == 3 {
                    items.remove(0);
                }
                parse_scored_messages(items, &mut messages);
            }
            _ => {}
        }
    }
    // Keep the messages of one command even if Redis refused the other.
    Ok(PopResult { messages, error: first_error, max_wait: None, is_key_empty, sent_at })
}

fn parse_scored_messages(items: Vec<Value>, messages: &mut Vec<ScoredMessage>) {
    let mut items = items.into_iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        if let Value::BulkString(member) = member {
            // Redis only returns scores that are numbers.
            messages.push((member, redis::from_redis_value(score).unwrap_or(f64::MAX)));
        }
    }
}
