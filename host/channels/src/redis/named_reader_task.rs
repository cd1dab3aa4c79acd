//! The task that reads a named channel, whose messages any host may take.

use std::sync::Arc;

use bytes::Bytes;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::time::{sleep, timeout};

use super::key_popper::{KeyPopper, PopResult, REPLY_TIMEOUT, pop_timeout};
use super::named_channel_reader::NamedChannelReader;
use super::redis_layer_core::RedisLayerCore;
use super::redis_tenant::RedisTenant;
use crate::Delivery;
use crate::redis_common::{ConnectionHealth, reconnect_delays};
use narrowboat_core::name::ChannelName;
use narrowboat_redis_client::ErrorClass;

/// Reads a named channel until its mailbox is dropped.
pub(super) async fn run_named_reader(
    core: Arc<RedisLayerCore>,
    tenant: Arc<RedisTenant>,
    name: ChannelName,
    reader: Arc<NamedChannelReader>,
) {
    let _end_guard = reader.end_guard();
    let Some(_permit) = reader.acquire_read_permit().await else { return };
    // Messages that the previous reader puts back come first. If the server is unreachable, the task below waits for
    // it.
    let _ = core.wait_until_queue_sent().await;
    NamedReaderTask::new(&core, &tenant, &name, &reader).run().await;
    let _ = core.wait_until_queue_sent().await;
}

struct NamedReaderTask<'a> {
    core: &'a RedisLayerCore,
    tenant: &'a RedisTenant,
    name: &'a ChannelName,
    reader: &'a NamedChannelReader,
    key: String,
    popper: KeyPopper,
}

impl<'a> NamedReaderTask<'a> {
    fn new(
        core: &'a RedisLayerCore,
        tenant: &'a RedisTenant,
        name: &'a ChannelName,
        reader: &'a NamedChannelReader,
    ) -> Self {
        let key = tenant.keys.message_key(name.as_str());
        let popper = KeyPopper::new(&key, 0, &core.base.limits, false);
        Self { core, tenant, name, reader, key, popper }
    }

    async fn run(mut self) {
        let (core, reader) = (self.core, self.reader);
        let server = &core.base.servers[self.tenant.keys.shard_of(self.name.as_str())];
        let connection_health = core.base.health.register_extra_connection();
        let mut restarts = core.subscribe_restarts();
        let mut delays = reconnect_delays();
        while !reader.is_closed() {
            let read = async {
                let mut connection = server.connect(pop_timeout(&core.base.limits)).await?;
                let connection_id =
                    redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
                let on_success = || {
                    connection_health.mark_up();
                    delays = reconnect_delays();
                };
                self.popper.set_connection(connection_id);
                self.read_messages(&connection, connection_id, on_success).await
            };
            let read: RedisResult<()> = tokio::select! {
                read = read => read,
                _ = restarts.changed() => Ok(()),
            };
            if let Err(error) = read {
                self.handle_error(&connection_health, server.name(), &error);
                if !reader.is_closed() {
                    sleep(delays.next().unwrap_or(REPLY_TIMEOUT)).await;
                }
            }
            self.popper.abandon_current();
        }
        self.requeue_abandoned().await;
        reader.clear_blocked();
    }

    fn handle_error(
        &self,
        connection_health: &ConnectionHealth<'_>,
        server: &str,
        error: &redis::RedisError,
    ) {
        if ErrorClass::of(error) == ErrorClass::Key {
            // Another program owns the key's value, so it is not deleted. The layer itself is connected.
            connection_health.mark_up();
            let (key, name) = (&self.key, self.name);
            let warning = format_args!("channel {name} cannot be read from the key {key}: {error}");
            self.core.base.health.warn_throttled(warning);
        } else {
            connection_health.mark_down(server, error);
            self.core.self_test_requested.notify_one();
        }
    }

    /// Takes messages until the mailbox is dropped. Calls `on_success` once: when the first pop succeeds, or when the
    /// task waits for the mailbox before it.
    async fn read_messages(
        &mut self,
        connection: &MultiplexedConnection,
        connection_id: i64,
        on_success: impl FnOnce(),
    ) -> RedisResult<()> {
        let mut on_success = Some(on_success);
        loop {
            // While the task waits for the mailbox it sends no command, so the server cannot refuse one.
            self.wait_until_drained(|| {
                if let Some(on_success) = on_success.take() {
                    on_success();
                }
            })
            .await;
            self.reader.set_blocked(connection_id);
            if self.reader.is_closed() {
                return Ok(());
            }
            let mut popped = self.popper.next_messages(connection).await?;
            let error = popped.error.take();
            if self.popper.has_succeeded()
                && let Some(on_success) = on_success.take()
            {
                on_success();
            }
            if !self.popper.is_in_flight() {
                self.reader.clear_blocked();
            }
            self.deliver_popped(popped);
            error.map_or(Ok(()), Err)?;
        }
    }

    /// Waits until the mailbox is empty or dropped. Calls `on_wait` before each wait.
    async fn wait_until_drained(&mut self, mut on_wait: impl FnMut()) {
        while let Some(channel) = self.tenant.local.find_channel(self.name.as_str())
            && !self.reader.is_closed()
        {
            if channel.is_drained() {
                self.reader.clear_scores();
                return;
            }
            on_wait();
            self.reader.drained_notify.notified().await;
        }
    }

    /// Puts messages into the mailbox, or back into the key if the mailbox was dropped.
    fn deliver_popped(&self, popped: PopResult) {
        if self.reader.is_closed() {
            return self.requeue_popped(popped);
        }
        let core = self.core;
        for (wire, score) in popped.messages {
            let Some(lifetime) = core.remaining_lifetime(&self.key, score, popped.max_wait) else {
                continue;
            };
            let delivery = match core.base.codec.decode(Bytes::from(wire)) {
                Ok(decoded) => decoded.delivery,
                Err(error) => {
                    core.base.health.record_decode_error(&self.key, &error);
                    continue;
                }
            };
            // Record the score before the message is in the mailbox, which may be dropped at any time.
            if let Delivery::Message(message) = &delivery {
                self.reader.record_score(message.clone(), score);
            }
            let delivered = self.tenant.local.try_deliver(self.name, delivery, lifetime);
            if let Err(Delivery::Message(message)) = delivered {
                core.requeue_message(self.tenant, &self.key, (&message, score));
            }
        }
    }

    /// Puts the messages of abandoned pops back into the key.
    async fn requeue_abandoned(&mut self) {
        let requeue = async {
            while let Some(popped) = self.popper.next_abandoned().await {
                self.requeue_popped(popped);
            }
        };
        let _ = timeout(REPLY_TIMEOUT, requeue).await;
    }

    fn requeue_popped(&self, popped: PopResult) {
        for (wire, score) in popped.messages {
            self.core.requeue_encoded(self.tenant, &self.key, (wire, score));
        }
    }
}
