//! Connecting to every host.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

use super::redis_layer_core::{HostFailure, RedisLayerCore};
use narrowboat_redis_client::ErrorClass;

/// The time limit for a reply, after which the server counts as unreachable.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// The connections to every host, by the host's index.
pub(super) type HostConnections = Vec<MultiplexedConnection>;

/// Connects to every host.
///
/// # Errors
/// The first host that is unreachable or not a master.
pub(super) async fn connect_all(core: &RedisLayerCore) -> Result<HostConnections, HostFailure> {
    let connecting = core.base.servers.iter().enumerate().map(async |(host, server)| {
        let connected = async {
            let mut connection = server.connect(REPLY_TIMEOUT).await?;
            let role: RedisResult<redis::Value> =
                redis::cmd("ROLE").query_async(&mut connection).await;
            match role {
                Ok(role) => ensure_master(&role)?,
                // A user without the permission for ROLE gets an error at the first write.
                Err(error) if ErrorClass::of(&error) == ErrorClass::Access => {}
                Err(error) => return Err(error),
            }
            Ok(connection)
        };
        connected.await.map_err(|error: RedisError| (host, error))
    });
    futures_util::future::try_join_all(connecting).await
}

/// Returns an error unless the reply to `ROLE` is that of a master. Others refuse writes.
fn ensure_master(role: &redis::Value) -> RedisResult<()> {
    let redis::Value::Array(role) = role else { return Ok(()) };
    match role.first().map(redis::from_redis_value_ref::<String>) {
        Some(Ok(role)) if role != "master" => {
            let error = format!("the server is a {role}, and cannot be written to");
            Err(std::io::Error::other(error).into())
        }
        _ => Ok(()),
    }
}
