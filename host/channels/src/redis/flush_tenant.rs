//! Deleting everything that a tenant has in Redis, and waiting for the queue.

use std::time::Duration;

use redis::RedisResult;

use super::redis_layer_core::RedisLayerCore;
use crate::LayerError;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::RedisClient;

/// The time limit for a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of keys in one step of the scan.
const SCAN_COUNT: usize = 1_000;

impl RedisLayerCore {
    /// Deletes every message and membership of a tenant.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if a server is unreachable.
    pub(super) async fn flush(&self, tenant: &Tenant) -> Result<(), LayerError> {
        let tenant = self.tenant(tenant);
        self.wait_until_queue_sent().await?;
        for server in &self.base.servers {
            delete_tenant_keys(server, tenant.keys.prefix(), &tenant.keys.marker_prefix())
                .await
                .map_err(|error| LayerError::Unavailable {
                    reason: format!("{}: {error}", server.name()),
                })?;
        }
        tenant.local.flush();
        Ok(())
    }

    /// Waits until every operation that was queued before has been sent. A message to a group takes two round trips.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if a server is unreachable.
    pub(super) async fn wait_until_queue_sent(&self) -> Result<(), LayerError> {
        self.base.wait_until_processed().await?;
        self.base.wait_until_processed().await
    }

    /// Waits also until closed readers of named channels have put their messages back.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if a server is unreachable.
    pub(super) async fn wait_until_sent(&self) -> Result<(), LayerError> {
        self.wait_until_queue_sent().await?;
        for reader in self.closed_readers() {
            reader.wait_until_ended().await;
        }
        Ok(())
    }
}

/// Deletes the keys that begin with a prefix, except for those of other tenants and the markers by which processes see
/// that a server has kept its data.
async fn delete_tenant_keys(
    server: &RedisClient,
    prefix: &str,
    marker_prefix: &str,
) -> RedisResult<()> {
    let mut connection = server.connect(REPLY_TIMEOUT).await?;
    let tenants_prefix = format!("{prefix}@");
    let pattern = format!("{}*", escape_glob(prefix));
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(&pattern)
            .arg("COUNT")
            .arg(SCAN_COUNT)
            .query_async(&mut connection)
            .await?;
        let is_kept = |key: &&Vec<u8>| {
            key.starts_with(tenants_prefix.as_bytes()) || key.starts_with(marker_prefix.as_bytes())
        };
        let deleted: Vec<_> = keys.iter().filter(|key| !is_kept(key)).collect();
        if !deleted.is_empty() {
            let _: i64 = redis::cmd("UNLINK").arg(deleted).query_async(&mut connection).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Returns a pattern of Redis that matches exactly `text`.
fn escape_glob(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
