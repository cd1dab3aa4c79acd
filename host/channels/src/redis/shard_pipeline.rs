//! The commands of one round trip for one host.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, ServerError, Value};

use super::redis_layer_core::RedisLayerCore;
use super::redis_op::KeyMessage;
use super::scripts;
use crate::redis_common::LeaseRequest;
use narrowboat_redis_client::ErrorClass;

/// The largest number of messages in one call of a script.
const MAX_MESSAGES_PER_SCRIPT: usize = 128;

/// The commands of one round trip for one host, and what to do with the replies.
#[derive(Default)]
pub(super) struct ShardPipeline {
    commands: Pipeline,
    /// One for each command.
    pub(super) reply_handlers: Vec<ReplyHandler>,
    /// Messages that [`add_put_scripts`](Self::add_put_scripts) adds.
    pub(super) messages: Vec<KeyMessage>,
}

/// The handling of the reply to a command.
pub(super) enum ReplyHandler {
    /// Only an error matters.
    ErrorOnly,
    /// Nothing matters.
    Ignore,
    /// A membership, by its index in the batch. It is repeated if Redis refuses it.
    Membership(usize),
    /// The marker, which shows whether the server has kept its data.
    Marker,
    /// The members of a group, by the index of the request, and the group's key for the log.
    Members(usize, String),
    /// A lease.
    Lease(LeaseRequest),
    /// Messages that a script puts into keys.
    PutReply(Vec<KeyMessage>),
}

impl ShardPipeline {
    /// Adds a command.
    pub(super) fn add(&mut self, command: Cmd, reply_handler: ReplyHandler) {
        self.commands.add_command(command);
        self.reply_handlers.push(reply_handler);
    }

    /// Adds the scripts that put the messages into their keys, as few as possible.
    pub(super) fn add_put_scripts(&mut self, core: &RedisLayerCore) {
        let mut messages = std::mem::take(&mut self.messages).into_iter().peekable();
        let expired = core.clock.now() - core.base.limits.expiry.as_secs_f64();
        while messages.peek().is_some() {
            let call: Vec<_> = messages.by_ref().take(MAX_MESSAGES_PER_SCRIPT).collect();
            let mut script = redis::cmd("EVAL");
            script.arg(scripts::PUT_MESSAGES).arg(call.len());
            for message in &call {
                script.arg(&message.key);
            }
            script.arg(expired).arg(core.message_seconds());
            for message in &call {
                let score = message.score.unwrap_or_else(|| core.clock.next_score());
                script.arg(score).arg(message.capacity).arg(&message.wire);
            }
            self.add(script, ReplyHandler::PutReply(call));
        }
    }

    /// Returns the number of messages in the scripts.
    pub(super) fn message_count(&self) -> usize {
        let count = |handler: &ReplyHandler| match handler {
            ReplyHandler::PutReply(messages) => messages.len(),
            _ => 0,
        };
        self.reply_handlers.iter().map(count).sum()
    }

    /// Sends the commands and returns the replies.
    ///
    /// # Errors
    /// Those of the connection, or a reply that says that the server refuses all commands.
    pub(super) async fn send_and_receive(
        &self,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<Vec<Value>> {
        let count = self.reply_handlers.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let replies = connection.send_packed_commands(&self.commands, 0, count).await?;
        let fatal =
            self.reply_handlers.iter().zip(&replies).find_map(|(handler, reply)| match reply {
                Value::ServerError(error) if handler.is_fatal_error(error) => {
                    Some(error.clone().into())
                }
                _ => None,
            });
        fatal.map_or(Ok(replies), Err)
    }
}

impl ReplyHandler {
    /// Whether an error means that the server refuses all commands.
    fn is_fatal_error(&self, error: &ServerError) -> bool {
        match (self, ErrorClass::of_reply(error)) {
            (Self::Ignore, _) => false,
            // Few processes acquire leases, and a missing permission is reported to the caller.
            (Self::Lease(_), ErrorClass::Access) => false,
            // The permission may be missing for this key alone. The operation fails, and a self-test follows at once.
            (Self::PutReply(_) | Self::Members(..) | Self::ErrorOnly, ErrorClass::Access) => false,
            (_, class) => class.is_persistent(),
        }
    }
}
