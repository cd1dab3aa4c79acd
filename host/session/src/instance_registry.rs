//! The registry of a plugin's instances, through which a rollout reaches each of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::effect_applier::EffectApplier;
use super::hibernation_counters::HibernationCounters;
use super::instance_owner::InstanceOwner;
use super::migration_summary::MigrationSummary;
use super::owner_command::{Direction, MigrateCommand, OwnerCommand};
use super::ready_instances::ReadyInstances;
use super::restart_counters::RestartCounters;
use super::rooms::{RoomOwners, RoomTable};
use super::self_rollback::SelfRollbackSignal;
use super::shared::SharedInstances;
use narrowboat_channels::ChannelLayer;
use narrowboat_runtime::{
    InstanceSnapshot, MigrationError, Plugin, Sha256Digest, TrialState, Version,
};
use narrowboat_websocket::connection::TrafficCounters;

/// Instances that are asked for a trial state before the trial runs without one.
const MAX_TRIAL_STATE_ATTEMPTS: usize = 3;

/// The instances of one plugin: those of its sessions, and the shared ones.
pub struct InstanceRegistry {
    pub(super) plugin: Arc<Plugin>,
    pub(super) layer: Arc<dyn ChannelLayer>,
    pub(super) shared: SharedInstances,
    pub(super) ready: ReadyInstances,
    pub(super) rooms: RoomTable,
    pub(super) room_owners: Arc<RoomOwners>,
    pub(super) restarts: RestartCounters,
    pub(super) hibernation: HibernationCounters,
    traffic: Arc<TrafficCounters>,
    state: Mutex<RegistryState>,
    self_rollback: SelfRollbackSignal,
    retired: AtomicBool,
}

#[derive(Default)]
struct RegistryState {
    last_id: u64,
    owners: FxHashMap<u64, Arc<InstanceOwner>>,
    /// The state that each instance left the previous version with. `None` unless a new version is watched.
    rollback_snapshots: Option<FxHashMap<u64, InstanceSnapshot>>,
}

impl InstanceRegistry {
    /// Creates an empty registry. `room_owners` is that of the host.
    pub fn new(
        plugin: Arc<Plugin>,
        layer: Arc<dyn ChannelLayer>,
        room_owners: Arc<RoomOwners>,
    ) -> Self {
        Self {
            shared: SharedInstances::new(plugin.instance_count),
            ready: ReadyInstances::default(),
            rooms: RoomTable::default(),
            room_owners,
            restarts: RestartCounters::default(),
            hibernation: HibernationCounters::default(),
            traffic: Arc::new(TrafficCounters::new(Arc::clone(&plugin.quota))),
            plugin,
            layer,
            state: Mutex::default(),
            self_rollback: SelfRollbackSignal::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// Retires the plugin: no route leads to it any more. A shared instance ends after the `disconnect` of its last
    /// connection; one without connections ends at once.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.shared.retire();
        self.ready.retire();
        self.rooms.close();
    }

    /// Lets each room sleep as soon as it has no visitors.
    pub fn close_rooms(&self) {
        self.rooms.close();
    }

    /// Whether the plugin has been retired. A handshake that began before may still connect.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// The plugin that the instances run.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// The counters of connections that hibernate.
    pub fn hibernation_counters(&self) -> &HibernationCounters {
        &self.hibernation
    }

    /// The counters of instances that went on after a trap.
    pub fn restart_counters(&self) -> &RestartCounters {
        &self.restarts
    }

    /// The traffic of the plugin's connections.
    pub fn traffic(&self) -> &Arc<TrafficCounters> {
        &self.traffic
    }

    /// The channel layer of the plugin's consumers.
    pub fn layer(&self) -> &Arc<dyn ChannelLayer> {
        &self.layer
    }

    pub(super) fn effect_applier(&self) -> EffectApplier<'_> {
        EffectApplier { plugin: &self.plugin, layer: &*self.layer }
    }

    /// Adds an owner, and returns its identifier.
    pub(super) fn add_owner(&self, owner: Arc<InstanceOwner>) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.owners.insert(id, owner);
        id
    }

    /// Removes an owner and its rollback snapshot.
    pub(super) fn remove_owner(&self, id: u64) {
        let mut state = self.lock();
        let owner = state.owners.remove(&id);
        let snapshot = state.rollback_snapshots.as_mut().and_then(|all| all.remove(&id));
        drop(state);
        drop((owner, snapshot));
    }

    /// Keeps rollback snapshots from now on, and resets [`Self::wait_for_self_rollback`].
    pub fn start_snapshot_retention(&self) {
        self.self_rollback.reset();
        let old = self.lock().rollback_snapshots.replace(FxHashMap::default());
        drop(old);
    }

    /// Drops the rollback snapshots, and keeps no further ones.
    pub fn drop_snapshots(&self) {
        let old = self.lock().rollback_snapshots.take();
        drop(old);
    }

    /// Keeps a rollback snapshot, or drops it if none are kept.
    pub(super) fn store_snapshot(&self, id: u64, snapshot: InstanceSnapshot) {
        let mut state = self.lock();
        let unkept = match &mut state.rollback_snapshots {
            Some(kept) => kept.insert(id, snapshot),
            None => Some(snapshot),
        };
        drop(state);
        drop(unkept);
    }

    pub(super) fn take_snapshot(&self, id: u64) -> Option<InstanceSnapshot> {
        self.lock().rollback_snapshots.as_mut()?.remove(&id)
    }

    pub(super) fn has_snapshot(&self, id: u64) -> bool {
        self.lock().rollback_snapshots.as_ref().is_some_and(|all| all.contains_key(&id))
    }

    pub(super) fn keeps_snapshots(&self) -> bool {
        self.lock().rollback_snapshots.is_some()
    }

    /// The version that an instance has left, with the schema and the state of its module, if they are kept.
    pub(super) fn left_state(&self, id: u64) -> Option<(Sha256Digest, u32, Vec<u8>)> {
        let state = self.lock();
        let snapshot = state.rollback_snapshots.as_ref()?.get(&id)?;
        let (schema, module) = snapshot.module_state()?;
        Some((snapshot.version().digest(), schema, module.to_vec()))
    }

    pub(super) fn notify_self_rollback(&self) {
        self.self_rollback.set();
    }

    /// Waits until a shared instance has rolled itself back.
    pub async fn wait_for_self_rollback(&self) {
        self.self_rollback.wait().await;
    }

    /// Captures the trial state of any running instance, or else that of a room that sleeps. Returns `None` if there is
    /// none, and the last error if each running instance answered with one.
    pub async fn capture_trial_state(&self) -> Option<Result<TrialState, MigrationError>> {
        let running = self.capture_running_state().await;
        if running.is_some() || self.plugin.live_version().rooms().is_none() {
            return running;
        }
        self.capture_sleeping_state().await.map(Ok)
    }

    async fn capture_running_state(&self) -> Option<Result<TrialState, MigrationError>> {
        let mut last_error = None;
        for owner in self.owners().into_iter().take(MAX_TRIAL_STATE_ATTEMPTS) {
            let (reply, receiver) = oneshot::channel();
            owner.send_command(OwnerCommand::CaptureTrialState(reply)).await;
            // The reference may be the last one, and then holds the reply's sender.
            drop(owner);
            match receiver.await {
                Ok(Ok(state)) => return Some(Ok(state)),
                Ok(Err(error)) => last_error = Some(Err(error)),
                Err(_) => {}
            }
        }
        last_error
    }

    /// Migrates every instance, each between two events; as many at a time as the host has processors, without those
    /// whose guests have postponed their move. Dropping the future sends no further commands; an owner that has taken
    /// one completes it.
    pub async fn migrate_all(&self, to: &Arc<Version>, direction: Direction) -> MigrationSummary {
        let max_concurrent = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = Arc::new(Semaphore::new(max_concurrent));
        let mut summary = MigrationSummary::default();
        let mut migrations = JoinSet::new();
        for owner in self.owners() {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            while let Some(ended) = migrations.try_join_next() {
                if let Ok(Some(result)) = ended {
                    summary.add(result);
                }
            }
            let (reply, receiver) = oneshot::channel();
            let command = MigrateCommand { to: Arc::clone(to), direction, reply, slot };
            migrations.spawn(async move {
                owner.send_command(OwnerCommand::Migrate(command)).await;
                // The reference may be the last one, and then holds the reply's sender.
                drop(owner);
                receiver.await.ok()
            });
        }
        while let Some(ended) = migrations.join_next().await {
            if let Ok(Some(result)) = ended {
                summary.add(result);
            }
        }
        summary
    }

    fn owners(&self) -> Vec<Arc<InstanceOwner>> {
        self.lock().owners.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        // No code panics between two writes under this lock, so a poisoned state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
