//! The fields and methods that both layers over Redis share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::flushing_task::flushing_task;
use super::layer_health::LayerHealth;
use super::lease_request::LeaseRequest;
use super::operation_queue::OperationQueue;
use super::queue_operation::QueueOperation;
use super::wire::Codec;
use crate::process_channels::ProcessChannels;
use crate::{LayerError, LayerLimits, LayerQueue, LayerStatus, MaybeReady, QueueLoad};
use narrowboat_config::RedisConfig;
use narrowboat_core::name::ChannelName;
use narrowboat_redis_client::RedisClient;

/// The lifetime of a lease as a fraction of its period. It is less than 1, so that the next attempt of the same process
/// is not a moment too early.
const LEASE_FRACTION: f64 = 0.9;

/// The time limit for a reply to a command outside the queue.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The limits, servers, queue and tasks of a layer whose operations are `O`.
pub(crate) struct RedisLayerBase<O: QueueOperation> {
    pub(crate) limits: Arc<LayerLimits>,
    pub(crate) codec: Codec,
    pub(crate) servers: Vec<RedisClient>,
    pub(crate) queue: OperationQueue<O>,
    pub(crate) health: LayerHealth,
    runtime: OnceLock<Handle>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl<O: QueueOperation> RedisLayerBase<O> {
    /// Creates the base of a layer that connects when it is started. `name` is the layer's name in the log.
    pub(crate) fn new(name: &str, config: &RedisConfig, limits: LayerLimits, codec: Codec) -> Self {
        Self {
            limits: Arc::new(limits),
            codec,
            servers: config.hosts.iter().cloned().map(RedisClient::new).collect(),
            queue: OperationQueue::default(),
            health: LayerHealth::new(name.to_owned()),
            runtime: OnceLock::new(),
            tasks: Mutex::default(),
        }
    }

    /// Sets the runtime of the tasks. Returns whether this was the first call.
    pub(crate) fn set_runtime(&self, runtime: &Handle) -> bool {
        self.runtime.set(runtime.clone()).is_ok()
    }

    /// Whether the layer was started.
    pub(crate) fn is_started(&self) -> bool {
        self.runtime.get().is_some()
    }

    /// Spawns a task of the layer, if the layer was started.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let task = self.runtime.get()?.spawn(flushing_task(task)).abort_handle();
        let mut tasks = self.tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.clone());
        Some(task)
    }

    /// Aborts every task of the layer.
    pub(crate) fn abort_tasks(&self) {
        for task in self.tasks().drain(..) {
            task.abort();
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the messages that expired in the queue while a server was unreachable, and counts them as lost. Call this
    /// before the layer is reported as connected.
    pub(crate) fn drop_expired(&self) {
        LayerHealth::add_to_counter(&self.health.lost, self.queue.drop_expired(self.limits.expiry));
    }

    /// Checks whether a message of `len` bytes may be sent to a channel after the `pending` ones. The channel may be
    /// one of this process that is full.
    ///
    /// # Errors
    /// Those of [`check_room`](LayerQueue::check_room), or [`LayerError::ChannelFull`].
    pub(crate) fn check_send(
        &self,
        local: &ProcessChannels,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_room(pending, len)?;
        match local.find_channel(channel.as_str()) {
            Some(open) if !open.has_room(pending, len) => {
                Err(LayerError::ChannelFull { channel: channel.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the error for a full queue.
    pub(crate) fn queue_full_error(&self) -> LayerError {
        let count = self.queue.len();
        LayerError::Unavailable {
            reason: format!("the queue to Redis is full ({count} operations)"),
        }
    }

    /// Queues a message, or counts it as lost.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the queue is full.
    pub(crate) fn push_message(&self, message: O) -> Result<(), LayerError> {
        self.queue.push(message).map_err(|_| {
            LayerHealth::add_to_counter(&self.health.lost, 1);
            self.queue_full_error()
        })
    }

    /// Tries to acquire a lease for most of `period`.
    pub(crate) fn try_acquire_lease(
        &self,
        shard: usize,
        key: String,
        period: Duration,
    ) -> MaybeReady<'static, Result<bool, LayerError>> {
        let lease = period.mul_f64(LEASE_FRACTION).as_millis();
        let lease_millis = u64::try_from(lease).unwrap_or(u64::MAX).max(1);
        let (reply, result) = oneshot::channel();
        let request = LeaseRequest { shard, key, lease_millis, reply };
        match self.queue.push(O::from_lease_request(request)) {
            Ok(()) => MaybeReady::from_reply(result, || Err(no_reply_error())),
            Err(_) => MaybeReady::ready(Err(self.queue_full_error())),
        }
    }

    /// Waits until every operation that was queued before is done. For a message to a group, that is the lookup of its
    /// members only.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    pub(crate) async fn wait_until_processed(&self) -> Result<(), LayerError> {
        let (barrier, reached) = oneshot::channel();
        self.queue.push(O::from_barrier(barrier)).map_err(|_| self.queue_full_error())?;
        reached.await.unwrap_or_else(|_| Err(no_reply_error()))
    }

    /// Sends a command outside the queue, on a connection of its own, and returns the reply.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the server is unreachable or refuses the command.
    pub(crate) async fn query<T: redis::FromRedisValue>(
        &self,
        shard: usize,
        command: &redis::Cmd,
    ) -> Result<T, LayerError> {
        let server = &self.servers[shard];
        let reply = async {
            let mut connection = server.connect(QUERY_TIMEOUT).await?;
            command.query_async(&mut connection).await
        };
        reply.await.map_err(|error: redis::RedisError| LayerError::Unavailable {
            reason: format!("{}: {error}", server.name()),
        })
    }
}

impl<O: QueueOperation> LayerQueue for RedisLayerBase<O> {
    fn check_room(&self, pending: QueueLoad, len: usize) -> Result<(), LayerError> {
        self.limits.check_len(len)?;
        if self.queue.has_room(pending, len) { Ok(()) } else { Err(self.queue_full_error()) }
    }

    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        match self.queue.confirm_memberships() {
            None => MaybeReady::ready(Ok(())),
            Some(confirmed) => MaybeReady::from_reply(confirmed, || Err(no_reply_error())),
        }
    }

    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::pending(self.wait_until_processed())
    }

    fn status(&self) -> LayerStatus {
        self.health.status(self.queue.len())
    }
}

/// Returns the error for an operation whose reply never came.
pub(crate) fn no_reply_error() -> LayerError {
    LayerError::Unavailable { reason: "the connection to Redis broke before the reply".to_owned() }
}
