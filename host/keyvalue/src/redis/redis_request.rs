//! A request to Redis.

use ::redis::aio::MultiplexedConnection;
use ::redis::{FromRedisValue, Pipeline, RedisResult, ScriptInvocation};

/// Commands or a script.
pub(super) enum RedisRequest<'a> {
    /// Commands that read.
    Commands(&'a Pipeline),
    /// A script. Running it twice has the effect of running it once.
    Script(&'a ScriptInvocation<'a>),
    /// A script with another effect each time it runs.
    NonIdempotentScript(&'a ScriptInvocation<'a>),
}

impl RedisRequest<'_> {
    /// Sends the request, and waits for the reply.
    pub(super) async fn execute<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<T> {
        match self {
            Self::Commands(commands) => commands.query_async(connection).await,
            Self::Script(script) | Self::NonIdempotentScript(script) => {
                script.invoke_async(connection).await
            }
        }
    }

    /// Returns whether the request may be sent again if it is not known whether Redis ran it.
    pub(super) fn is_idempotent(&self) -> bool {
        !matches!(self, Self::NonIdempotentScript(_))
    }
}
