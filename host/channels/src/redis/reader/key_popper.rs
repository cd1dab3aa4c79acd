//! Pops of one key, none of whose answers is dropped.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use super::{MAX_BLOCKING_WAIT, MIN_BLOCKING_WAIT, REPLY_TIMEOUT};
use crate::LayerLimits;
use narrowboat_redis_client::{ErrorClass, find_persistent_error};

/// The most pops that were given up on and may be answered yet; the oldest is forgotten for another.
const MAX_ABANDONED_POPS: usize = 16;

/// How long another pop waits for those to end.
const ABANDONED_POP_GRACE: Duration = Duration::from_secs(1);

/// How often Redis is asked to end them meanwhile.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a pop may be answered: what it would bring later has expired.
pub(super) fn pop_timeout(limits: &LayerLimits) -> Duration {
    limits.expiry.max(REPLY_TIMEOUT)
}

/// How long Redis lets a pop wait. When the key was last seen empty is known no better than that: what comes may have
/// waited for as long as two pops, which is to be well below `expiry`.
fn blocking_wait(limits: &LayerLimits) -> Duration {
    (limits.expiry / 4).clamp(MIN_BLOCKING_WAIT, MAX_BLOCKING_WAIT)
}

/// A message as it was taken from a key, and its score there.
pub(super) type ScoredMessage = (Vec<u8>, f64);

/// What one pop took.
pub(super) struct PopResult {
    pub(super) messages: Vec<ScoredMessage>,
    /// Why there is no more, where a command was refused.
    pub(super) error: Option<RedisError>,
    /// The longest that any of them can have waited: since the key was last seen empty, if it was.
    pub(super) max_wait: Option<Duration>,
    /// Whether the key was empty then.
    is_key_empty: bool,
    /// When the pop was sent.
    sent_at: Instant,
}

/// The commands of a pop. The last of them tells how many messages are left.
struct PopCommands {
    key: String,
    extra_count: usize,
}

impl PopCommands {
    fn new(key: &str, extra_count: usize) -> Self {
        Self { key: key.to_owned(), extra_count }
    }

    fn build_pipeline(&self, span: Duration) -> Pipeline {
        let mut commands = Pipeline::new();
        commands.cmd("BZPOPMIN").arg(&self.key).arg(span.as_secs_f64());
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

/// Pops one key again and again.
///
/// What Redis has popped is nowhere else. So a pop whose answer does not come in time, or that nobody waits for any
/// more, is kept until it is answered, its connection ends or its messages would have expired; only then is it
/// dropped. No message comes twice by that, since each is popped once.
pub(super) struct KeyPopper {
    commands: PopCommands,
    /// Whether the first pop on this connection was answered.
    has_succeeded: bool,
    /// How long a pop is kept.
    pop_timeout: Duration,
    /// How long Redis lets a pop wait.
    blocking_wait: Duration,
    /// The number that Redis gave the connection, or 0.
    connection_id: i64,
    current: Option<PopFuture>,
    /// Pops that were given up on, with the numbers of their connections.
    abandoned: VecDeque<(i64, PopFuture)>,
    /// Whether those have had their time to end before another pop begins.
    is_abandoned_settled: bool,
    /// When the key was last seen empty.
    last_seen_empty: Option<Instant>,
}

impl KeyPopper {
    /// Pops a key: one message that is waited for, and so many more. A key that can hold nothing yet is `new`.
    pub(super) fn new(key: &str, more: usize, limits: &LayerLimits, is_new: bool) -> Self {
        let commands = PopCommands::new(key, more);
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

    /// A new connection is popped on from now on.
    pub(super) fn set_connection(&mut self, number: i64) {
        self.abandon_current();
        self.connection_id = number;
    }

    /// Whether a pop on this connection was answered, and not refused.
    pub(super) fn has_succeeded(&self) -> bool {
        self.has_succeeded
    }

    /// Whether a pop has no answer yet.
    pub(super) fn is_in_flight(&self) -> bool {
        self.current.is_some() || !self.abandoned.is_empty()
    }

    /// The next messages, perhaps of a pop that was given up on. Cancel safe.
    ///
    /// # Errors
    /// Those of the connection; or there is no answer in time.
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

    /// Nobody waits for the current pop any more, since its connection may be gone.
    pub(super) fn abandon_current(&mut self) {
        self.has_succeeded = false;
        self.is_abandoned_settled = false;
        let Some(pop) = self.current.take() else { return };
        if self.abandoned.len() >= MAX_ABANDONED_POPS {
            self.abandoned.pop_front();
        }
        let lasts = self.pop_timeout;
        let pop = Box::pin(async move {
            match timeout(lasts, pop).await {
                Ok(popped) => popped,
                Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        });
        self.abandoned.push_back((self.connection_id, pop));
    }

    /// Has Redis end the pops that were given up on and waits a little for what they bring: two that wait at once would
    /// get messages by turns, and the order would be lost.
    async fn settle_abandoned(
        &mut self,
        connection: &MultiplexedConnection,
    ) -> RedisResult<Option<PopResult>> {
        let mut unblock = Pipeline::new();
        for (number, _) in &self.abandoned {
            unblock.cmd("CLIENT").arg("UNBLOCK").arg(*number);
        }
        let (count, mut connection) = (self.abandoned.len(), connection.clone());
        let deadline = Instant::now() + ABANDONED_POP_GRACE;
        while !self.abandoned.is_empty() && Instant::now() < deadline {
            let answers = connection.send_packed_commands(&unblock, 0, count).await?;
            // A server that refuses this cannot be popped yet. Whoever may not waits until they end by themselves.
            if let Some(error) = find_persistent_error(&answers)
                && ErrorClass::of(&error) != ErrorClass::Access
            {
                return Err(error);
            }
            // One may reach Redis only after this, and is ended the next time.
            if let Ok(answer) = timeout(UNBLOCK_INTERVAL, self.abandoned_result()).await {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// What pops that were given up on bring yet; none once all are done with.
    pub(super) async fn next_abandoned(&mut self) -> Option<PopResult> {
        self.abandon_current();
        self.abandoned_result().await.map(|popped| self.record_key_state(popped))
    }

    async fn abandoned_result(&mut self) -> Option<PopResult> {
        let answer = poll_fn(|cx| match self.poll_abandoned(cx) {
            Poll::Ready(popped) => Poll::Ready(Some(popped)),
            Poll::Pending if self.abandoned.is_empty() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        answer.await
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

    /// What a pop that was given up on has brought. Those that failed are forgotten.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<PopResult> {
        let mut found = None;
        self.abandoned.retain_mut(|(_, pop)| match found {
            Some(_) => true,
            None => match pop.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(popped) => {
                    found = popped.ok().filter(|popped| !popped.messages.is_empty());
                    if let Some(popped) = &mut found {
                        // That says nothing of the connection there is now.
                        popped.error = None;
                    }
                    false
                }
            },
        });
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// Notes when the key was seen empty, and since when what came can have waited at most.
    fn record_key_state(&mut self, mut popped: PopResult) -> PopResult {
        popped.max_wait = self.last_seen_empty.map(|empty| empty.elapsed());
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
    let sent = Instant::now();
    let mut values = connection.send_packed_commands(&commands, 0, count).await?;
    let is_empty = matches!(values.pop(), Some(Value::Int(0)));
    let (mut messages, mut failed) = (Vec::new(), None);
    for value in values {
        match value {
            Value::ServerError(error) => failed = failed.or_else(|| Some(error.into())),
            Value::Array(mut items) => {
                // BZPOPMIN says which key first.
                if items.len() == 3 {
                    items.remove(0);
                }
                parse_scored_messages(items, &mut messages);
            }
            _ => {}
        }
    }
    // What one command has taken is not dropped because another was refused.
    Ok(PopResult { messages, error: failed, max_wait: None, is_key_empty: is_empty, sent_at: sent })
}

fn parse_scored_messages(items: Vec<Value>, messages: &mut Vec<ScoredMessage>) {
    let mut items = items.into_iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        if let Value::BulkString(member) = member {
            // Every score is a number.
            messages.push((member, redis::from_redis_value(score).unwrap_or(f64::MAX)));
        }
    }
}
