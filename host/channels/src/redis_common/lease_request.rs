//! A request for a lease in Redis.

use tokio::sync::oneshot;

use crate::LayerError;

/// A request for a lease, which is a key that only one process can create.
pub(crate) struct LeaseRequest {
    pub(crate) shard: usize,
    pub(crate) key: String,
    /// The lifetime of the lease in milliseconds.
    pub(crate) lease_millis: u64,
    pub(crate) reply: oneshot::Sender<Result<bool, LayerError>>,
}

impl LeaseRequest {
    /// Returns the command that creates the key unless it exists.
    pub(crate) fn set_command(&self) -> redis::Cmd {
        let mut command = redis::cmd("SET");
        command.arg(&self.key).arg(1).arg("NX").arg("PX").arg(self.lease_millis);
        command
    }

    /// Sends the result of the command to the caller.
    pub(crate) fn send_reply(self, reply: &redis::Value) {
        let _ = self.reply.send(match reply {
            redis::Value::ServerError(error) => {
                Err(LayerError::Unavailable { reason: error.to_string() })
            }
            reply => Ok(matches!(reply, redis::Value::Okay)),
        });
    }
}
