//! What both layers over Redis are made of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::health::Health;
use super::operation_queue::{LeaseRequest, OperationQueue, QueueOperation};
use super::wire::Codec;
use crate::process_channels::ProcessChannels;
use crate::{
    Delivery, LAYER_EVENTS_GROUP, LayerError, LayerLimits, LayerStatus, MaybeReady, QueueLoad,
    layer_events,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use narrowboat_redis_client::RedisClient;

/// How much of a turn's period nobody else can take it: less than all, so that the next turn of the same process is
/// not a moment too early.
const LEASE_FRACTION: f64 = 0.9;

/// How long an answer may take that is asked for on its own.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds, servers, the queue to them and the tasks of a layer whose operations are `O`.
pub(crate) struct RedisLayerBase<O: QueueOperation> {
    pub(crate) limits: Arc<LayerLimits>,
    pub(crate) codec: Codec,
    pub(crate) servers: Vec<RedisClient>,
    pub(crate) queue: OperationQueue<O>,
    pub(crate) health: Health,
    runtime: OnceLock<Handle>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl<O: QueueOperation> RedisLayerBase<O> {
    /// Of a layer that connects once it is started. `name` is for the log.
    pub(crate) fn new(name: &str, config: &RedisConfig, limits: LayerLimits, codec: Codec) -> Self {
        Self {
            limits: Arc::new(limits),
            codec,
            servers: config.hosts.iter().cloned().map(RedisClient::new).collect(),
            queue: OperationQueue::default(),
            health: Health::new(name.to_owned()),
            runtime: OnceLock::new(),
            tasks: Mutex::default(),
        }
    }

    /// Notes where tasks run; whether they do for the first time.
    pub(crate) fn set_runtime(&self, runtime: &Handle) -> bool {
        self.runtime.set(runtime.clone()).is_ok()
    }

    /// Whether tasks run.
    pub(crate) fn is_started(&self) -> bool {
        self.runtime.get().is_some()
    }

    /// Starts a task of the layer, if the layer has been started.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let task = self.runtime.get()?.spawn(task).abort_handle();
        let mut tasks = self.tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.clone());
        Some(task)
    }

    /// Ends every task of the layer.
    pub(crate) fn abort_tasks(&self) {
        for task in self.tasks().drain(..) {
            task.abort();
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what expired in the queue while a server was away. To be called before the layer is said to be back.
    pub(crate) fn drop_expired(&self) {
        Health::count(&self.health.lost, self.queue.drop_expired(self.limits.expiry));
    }

    pub(crate) fn check_len(&self, len: usize) -> Result<(), LayerError> {
        let limit = self.limits.message_bytes;
        if len > limit { Err(LayerError::TooLarge { len, limit }) } else { Ok(()) }
    }

    /// Whether a message may wait for Redis after what is pending.
    pub(crate) fn check_queue_room(
        &self,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_len(len)?;
        if self.queue.has_room(pending, len) { Ok(()) } else { Err(self.unavailable_error()) }
    }

    /// The same for a message to a channel, which may be one of this process that is full.
    pub(crate) fn check_send(
        &self,
        local: &ProcessChannels,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_queue_room(pending, len)?;
        match local.find_channel(channel.as_str()) {
            Some(here) if !here.has_room(pending, len) => {
                Err(LayerError::ChannelFull { channel: channel.clone() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn unavailable_error(&self) -> LayerError {
        let waiting = self.queue.len();
        LayerError::Unavailable { reason: format!("{waiting} operations wait for Redis") }
    }

    /// Queues a message, or counts it as lost.
    pub(crate) fn push_message(&self, message: O) -> Result<(), LayerError> {
        self.queue.push(message).map_err(|_| {
            Health::count(&self.health.lost, 1);
            self.unavailable_error()
        })
    }

    pub(crate) fn claim(
        &self,
        shard: usize,
        key: String,
        period: Duration,
    ) -> MaybeReady<'static, Result<bool, LayerError>> {
        let held =
            u64::try_from(period.mul_f64(LEASE_FRACTION).as_millis()).unwrap_or(u64::MAX).max(1);
        let (reply, answer) = oneshot::channel();
        match self.queue.push(O::claim(LeaseRequest { shard, key, lease_millis: held, reply })) {
            Ok(()) => MaybeReady::from_reply(answer, || Err(unanswered_error())),
            Err(_) => MaybeReady::ready(Err(self.unavailable_error())),
        }
    }

    pub(crate) fn wait_for_memberships(&self) -> MaybeReady<'static, Result<(), LayerError>> {
        match self.queue.confirm_memberships() {
            None => MaybeReady::ready(Ok(())),
            Some(answer) => MaybeReady::from_reply(answer, || Err(unanswered_error())),
        }
    }

    /// Waits until what was asked for before has been carried out, or its first step if it has two.
    pub(crate) async fn wait_until_processed(&self) -> Result<(), LayerError> {
        let (told, carried) = oneshot::channel();
        self.queue.push(O::from_barrier(told)).map_err(|_| self.unavailable_error())?;
        carried.await.unwrap_or_else(|_| Err(unanswered_error()))
    }

    /// Asks a server for something that stands in no order, on a connection of its own.
    pub(crate) async fn query<T: redis::FromRedisValue>(
        &self,
        shard: usize,
        command: &redis::Cmd,
    ) -> Result<T, LayerError> {
        let server = &self.servers[shard];
        let asked = async {
            let mut connection = server.connect(QUERY_TIMEOUT).await?;
            command.query_async(&mut connection).await
        };
        asked.await.map_err(|error: redis::RedisError| LayerError::Unavailable {
            reason: format!("{}: {error}", server.name()),
        })
    }

    pub(crate) fn status(&self) -> LayerStatus {
        self.health.status(self.queue.len())
    }
}

/// What each tenant has of a layer. It grows with the tenants that the operator configured, and with nothing else.
pub(crate) struct LayerTenants<W>(RwLock<HashMap<Tenant, Arc<W>>>);

impl<W> Default for LayerTenants<W> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<W> LayerTenants<W> {
    /// The world of a tenant; one that is new is told to `made` once others find it.
    pub(crate) fn get_or_create(
        &self,
        tenant: &Tenant,
        make: impl FnOnce() -> W,
        made: impl FnOnce(&Arc<W>),
    ) -> Arc<W> {
        let worlds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        drop(worlds);
        let mut worlds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        let world = Arc::new(make());
        worlds.insert(tenant.clone(), Arc::clone(&world));
        drop(worlds);
        made(&world);
        world
    }

    pub(crate) fn all(&self) -> Vec<Arc<W>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Whether a group is of this process alone.
pub(crate) fn is_process_local_group(group: &GroupName) -> bool {
    group.as_str() == LAYER_EVENTS_GROUP
}

pub(crate) fn unanswered_error() -> LayerError {
    LayerError::Unavailable { reason: "Redis went away before it answered".to_owned() }
}

/// Tells the consumers that asked for it how the layer fares, each time that changes.
pub(crate) async fn announce_connection_changes(
    mut connected: watch::Receiver<bool>,
    worlds: impl Fn() -> Vec<Arc<ProcessChannels>>,
    lasts: Duration,
) {
    // Having been reached for the first time is no news.
    if connected.wait_for(|connected| *connected).await.is_err() {
        return;
    }
    while connected.changed().await.is_ok() {
        let Ok(message) = layer_events::of(*connected.borrow_and_update()) else { return };
        for local in worlds() {
            local.deliver_to_group(LAYER_EVENTS_GROUP, &Delivery::Message(message.clone()), lasts);
        }
    }
}
