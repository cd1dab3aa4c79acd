//! Pops of one key, none of whose answers is dropped.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use super::{ANSWER, BRIEF, WAIT};
use crate::LayerLimits;
use narrowboat_redis_client::{ErrorClass, lasting_error};

/// The most pops that were given up on and may be answered yet; the oldest is forgotten for another.
const MOST_LATE: usize = 16;

/// How long another pop waits for those to end.
const SETTLE: Duration = Duration::from_secs(1);

/// How often Redis is asked to end them meanwhile.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a pop may be answered: what it would bring later has expired.
pub(super) fn lasts(limits: &LayerLimits) -> Duration {
    limits.expiry.max(ANSWER)
}

/// How long Redis lets a pop wait. When the key was last seen empty is known no better than that: what comes may have
/// waited for as long as two pops, which is to be well below `expiry`.
fn waits(limits: &LayerLimits) -> Duration {
    (limits.expiry / 4).clamp(BRIEF, WAIT)
}

/// A message as it was taken from a key, and its score there.
pub(super) type Message = (Vec<u8>, f64);

/// What one pop took.
pub(super) struct Popped {
    pub(super) messages: Vec<Message>,
    /// Why there is no more, where a command was refused.
    pub(super) refused: Option<RedisError>,
    /// The longest that any of them can have waited: since the key was last seen empty, if it was.
    pub(super) waited: Option<Duration>,
    /// Whether the key was empty then.
    is_empty: bool,
    /// When the pop was sent.
    sent: Instant,
}

/// The commands of a pop. The last of them tells how many messages are left.
struct Commands {
    key: String,
    more: usize,
}

impl Commands {
    fn new(key: &str, more: usize) -> Self {
        Self { key: key.to_owned(), more }
    }

    fn waiting(&self, span: Duration) -> Pipeline {
        let mut commands = Pipeline::new();
        commands.cmd("BZPOPMIN").arg(&self.key).arg(span.as_secs_f64());
        if self.more > 0 {
            commands.cmd("ZPOPMIN").arg(&self.key).arg(self.more);
        }
        commands.cmd("ZCARD").arg(&self.key);
        commands
    }

    fn count(&self) -> usize {
        if self.more > 0 { 3 } else { 2 }
    }
}

type Pop = Pin<Box<dyn Future<Output = RedisResult<Popped>> + Send>>;

/// Pops one key again and again.
///
/// What Redis has popped is nowhere else. So a pop whose answer does not come in time, or that nobody waits for any
/// more, is kept until it is answered, its connection ends or its messages would have expired; only then is it
/// dropped. No message comes twice by that, since each is popped once.
pub(super) struct Pops {
    commands: Commands,
    /// Whether the first pop on this connection was answered.
    has_passed: bool,
    /// How long a pop is kept.
    lasts: Duration,
    /// How long Redis lets a pop wait.
    waits: Duration,
    /// The number that Redis gave the connection, or 0.
    number: i64,
    current: Option<Pop>,
    /// Pops that were given up on, with the numbers of their connections.
    late: VecDeque<(i64, Pop)>,
    /// Whether those have had their time to end before another pop begins.
    is_settled: bool,
    /// When the key was last seen empty.
    empty: Option<Instant>,
}

impl Pops {
    /// Pops a key: one message that is waited for, and so many more. A key that can hold nothing yet is `new`.
    pub(super) fn new(key: &str, more: usize, limits: &LayerLimits, is_new: bool) -> Self {
        let commands = Commands::new(key, more);
        let empty = is_new.then(Instant::now);
        let late = VecDeque::new();
        Self {
            commands,
            has_passed: false,
            lasts: lasts(limits),
            waits: waits(limits),
            number: 0,
            current: None,
            late,
            is_settled: false,
            empty,
        }
    }

    /// A new connection is popped on from now on.
    pub(super) fn connected(&mut self, number: i64) {
        self.give_up();
        self.number = number;
    }

    /// Whether a pop on this connection was answered, and not refused.
    pub(super) fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// Whether a pop has no answer yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some() || !self.late.is_empty()
    }

    /// The next messages, perhaps of a pop that was given up on. Cancel safe.
    ///
    /// # Errors
    /// Those of the connection; or there is no answer in time.
    pub(super) async fn next(&mut self, connection: &MultiplexedConnection) -> RedisResult<Popped> {
        if !self.is_settled {
            let settled = match timeout(ANSWER, self.settle(connection)).await {
                Ok(settled) => settled?,
                Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            };
            if let Some(popped) = settled {
                return Ok(self.note(popped));
            }
            self.is_settled = true;
        }
        if self.current.is_none() {
            let commands = self.commands.waiting(if self.has_passed { self.waits } else { BRIEF });
            let pop = pop(connection.clone(), commands, self.commands.count());
            self.current = Some(Box::pin(pop));
        }
        match timeout(ANSWER, poll_fn(|cx| self.poll_next(cx))).await {
            Ok(popped) => popped.map(|popped| self.note(popped)),
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Nobody waits for the current pop any more, since its connection may be gone.
    pub(super) fn give_up(&mut self) {
        self.has_passed = false;
        self.is_settled = false;
        let Some(pop) = self.current.take() else { return };
        if self.late.len() >= MOST_LATE {
            self.late.pop_front();
        }
        let lasts = self.lasts;
        let pop = Box::pin(async move {
            match timeout(lasts, pop).await {
                Ok(popped) => popped,
                Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        });
        self.late.push_back((self.number, pop));
    }

    /// Has Redis end the pops that were given up on and waits a little for what they bring: two that wait at once would
    /// get messages by turns, and the order would be lost.
    async fn settle(&mut self, connection: &MultiplexedConnection) -> RedisResult<Option<Popped>> {
        let mut unblock = Pipeline::new();
        for (number, _) in &self.late {
            unblock.cmd("CLIENT").arg("UNBLOCK").arg(*number);
        }
        let (count, mut connection) = (self.late.len(), connection.clone());
        let deadline = Instant::now() + SETTLE;
        while !self.late.is_empty() && Instant::now() < deadline {
            let answers = connection.send_packed_commands(&unblock, 0, count).await?;
            // A server that refuses this cannot be popped yet. Whoever may not waits until they end by themselves.
            if let Some(error) = lasting_error(&answers)
                && ErrorClass::of(&error) != ErrorClass::Access
            {
                return Err(error);
            }
            // One may reach Redis only after this, and is ended the next time.
            if let Ok(answer) = timeout(AGAIN, self.late_answer()).await {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// What pops that were given up on bring yet; none once all are done with.
    pub(super) async fn next_late(&mut self) -> Option<Popped> {
        self.give_up();
        self.late_answer().await.map(|popped| self.note(popped))
    }

    async fn late_answer(&mut self) -> Option<Popped> {
        let answer = poll_fn(|cx| match self.poll_late(cx) {
            Poll::Ready(popped) => Poll::Ready(Some(popped)),
            Poll::Pending if self.late.is_empty() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        answer.await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<RedisResult<Popped>> {
        if let Poll::Ready(popped) = self.poll_late(cx) {
            return Poll::Ready(Ok(popped));
        }
        let Some(pop) = &mut self.current else { return Poll::Pending };
        let popped = std::task::ready!(pop.as_mut().poll(cx));
        self.current = None;
        self.has_passed |= popped.as_ref().is_ok_and(|popped| popped.refused.is_none());
        Poll::Ready(popped)
    }

    /// What a pop that was given up on has brought. Those that failed are forgotten.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Popped> {
        let mut found = None;
        self.late.retain_mut(|(_, pop)| match found {
            Some(_) => true,
            None => match pop.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(popped) => {
                    found = popped.ok().filter(|popped| !popped.messages.is_empty());
                    if let Some(popped) = &mut found {
                        // That says nothing of the connection there is now.
                        popped.refused = None;
                    }
                    false
                }
            },
        });
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// Notes when the key was seen empty, and since when what came can have waited at most.
    fn note(&mut self, mut popped: Popped) -> Popped {
        popped.waited = self.empty.map(|empty| empty.elapsed());
        if popped.is_empty {
            self.empty = self.empty.max(Some(popped.sent));
        }
        popped
    }
}

async fn pop(
    mut connection: MultiplexedConnection,
    commands: Pipeline,
    count: usize,
) -> RedisResult<Popped> {
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
                pairs(items, &mut messages);
            }
            _ => {}
        }
    }
    // What one command has taken is not dropped because another was refused.
    Ok(Popped { messages, refused: failed, waited: None, is_empty, sent })
}

fn pairs(items: Vec<Value>, messages: &mut Vec<Message>) {
    let mut items = items.into_iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        if let Value::BulkString(member) = member {
            // Every score is a number.
            messages.push((member, redis::from_redis_value(score).unwrap_or(f64::MAX)));
        }
    }
}
