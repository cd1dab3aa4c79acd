//! The connections to one server.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{RedisResult, Value};
use tokio::time::timeout;

use narrowboat_redis_client::{ErrorClass, RedisClient};

/// The time limit for a reply, after which the server counts as unreachable.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest number of topics in one command.
const CHUNK_SIZE: usize = 500;

/// The connections to one server: one for commands and one for subscriptions.
pub(super) struct ServerConnections {
    pub(super) commands: MultiplexedConnection,
    subscriber: PubSubSink,
}

impl ServerConnections {
    /// Connects to a server. Returns also the stream of published messages.
    pub(super) async fn connect(server: &RedisClient) -> RedisResult<(Self, PubSubStream)> {
        let commands = server.connect(REPLY_TIMEOUT).await?;
        let (subscriber, published) = server.connect_pubsub().await?.split();
        Ok((Self { commands, subscriber }, published))
    }

    /// Subscribes to topics or ends the subscriptions, and waits for the reply. A topic that ends in `*` is a pattern.
    pub(super) async fn set_subscribed(
        &mut self,
        topics: &[String],
        is_subscribed: bool,
    ) -> RedisResult<()> {
        let (patterns, names): (Vec<_>, Vec<_>) =
            topics.iter().partition::<Vec<&String>, _>(|topic| topic.ends_with('*'));
        let update = async {
            for patterns in patterns.chunks(CHUNK_SIZE) {
                match is_subscribed {
                    true => self.subscriber.psubscribe(patterns).await?,
                    false => self.subscriber.punsubscribe(patterns).await?,
                }
            }
            for names in names.chunks(CHUNK_SIZE) {
                match is_subscribed {
                    true => self.subscriber.subscribe(names).await?,
                    false => self.subscriber.unsubscribe(names).await?,
                }
            }
            Ok(())
        };
        with_reply_timeout(update).await
    }

    /// Checks that the connection for subscriptions is up.
    pub(super) async fn ping(&mut self) -> RedisResult<()> {
        let reply: RedisResult<Value> = with_reply_timeout(self.subscriber.ping()).await;
        match reply {
            // A server that cannot save its data refuses PING, but no other command of this layer.
            Err(error) if ErrorClass::of(&error) == ErrorClass::Connection => Err(error),
            _ => Ok(()),
        }
    }
}

/// Returns the reply, or an error after [`REPLY_TIMEOUT`]: the connection for subscriptions has no timeout of its own.
async fn with_reply_timeout<T>(reply: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match timeout(REPLY_TIMEOUT, reply).await {
        Ok(reply) => reply,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
