//! Forgetting all that a tenant has in Redis.

use std::time::Duration;

use redis::RedisResult;

use super::RedisLayerCore;
use crate::LayerError;
use narrowboat_core::name::Tenant;
use narrowboat_redis_client::RedisClient;

/// How long an answer may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Keys looked at in one step.
const SCAN_COUNT: usize = 1_000;

impl RedisLayerCore {
    pub(super) async fn flush(&self, tenant: &Tenant) -> Result<(), LayerError> {
        let world = self.tenant(tenant);
        self.wait_until_queue_sent().await?;
        for server in &self.base.servers {
            delete_tenant_keys(server, world.keys.prefix(), &world.keys.marker_prefix())
                .await
                .map_err(|error| LayerError::Unavailable {
                    reason: format!("{}: {error}", server.name()),
                })?;
        }
        world.local.flush();
        Ok(())
    }

    /// Waits until what was asked for before has left: a group's messages do in two steps.
    pub(super) async fn wait_until_queue_sent(&self) -> Result<(), LayerError> {
        self.base.wait_until_processed().await?;
        self.base.wait_until_processed().await
    }

    /// The same, and what closed readers of named channels have taken and give back.
    pub(super) async fn wait_until_sent(&self) -> Result<(), LayerError> {
        self.wait_until_queue_sent().await?;
        for reader in self.closed_readers() {
            reader.wait_until_ended().await;
        }
        Ok(())
    }
}

/// Deletes the keys that begin with a prefix, but not those of other tenants, nor the markers by which this and other
/// processes see that nothing was lost.
async fn delete_tenant_keys(server: &RedisClient, prefix: &str, markers: &str) -> RedisResult<()> {
    let mut connection = server.connect(REPLY_TIMEOUT).await?;
    let of_tenants = format!("{prefix}@");
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
            key.starts_with(of_tenants.as_bytes()) || key.starts_with(markers.as_bytes())
        };
        let own: Vec<_> = keys.iter().filter(|key| !is_kept(key)).collect();
        if !own.is_empty() {
            let _: i64 = redis::cmd("UNLINK").arg(own).query_async(&mut connection).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// A text as a pattern of Redis that matches only it.
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
