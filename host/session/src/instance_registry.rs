//! Who runs instances of a plugin, so that a swap reaches each of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::effect_applier::EffectApplier;
use super::owner_command::{Direction, MigrateCommand, MigrateResult, OwnerCommand};
use super::shared::{Job, SharedInstances};
use narrowboat_channels::ChannelLayer;
use narrowboat_runtime::{
    MigrationError, MigrationStats, Plugin, PreSnapshots, RollbackSnapshot, StateSource,
    TrialState, Version,
};
use narrowboat_websocket::connection::{ConnectionHandle, TrafficCounters};

/// Instances asked for a sample before a trial goes without.
const MAX_TRIAL_STATE_ATTEMPTS: usize = 3;

/// Reasons that are told apart when a swap is summed up.
const MAX_REASONS: usize = 16;

/// The sessions of one plugin, and the instances they share.
pub struct InstanceRegistry {
    pub(super) plugin: Arc<Plugin>,
    pub(super) layer: Arc<dyn ChannelLayer>,
    pub(super) shared: SharedInstances,
    traffic: Arc<TrafficCounters>,
    state: Mutex<RegistryState>,
    self_rollback: SelfRollbackSignal,
    retired: AtomicBool,
}

#[derive(Default)]
struct RegistryState {
    last_id: u64,
    owners: FxHashMap<u64, Arc<InstanceOwner>>,
    /// While a new version is watched: what each left the version before with.
    rollback_snapshots: Option<FxHashMap<u64, RollbackSnapshot>>,
}

/// Whether an instance that many share has gone back on its own since a new version is watched.
#[derive(Default)]
struct SelfRollbackSignal {
    is_set: AtomicBool,
    notify: Notify,
}

/// Where an order reaches the owner of an instance.
pub(super) enum InstanceOwner {
    /// A session, which is summoned to look for it.
    Session(Arc<ConnectionHandle>, Mutex<Option<Box<OwnerCommand>>>),
    /// The task of a shared instance. The roster does not keep it: a task whose plugin is retired ends with its last
    /// connection.
    Shared(mpsc::WeakSender<Job>),
}

/// A place on the roster, given up when dropped.
pub(super) struct InstanceRegistration {
    registry: Arc<InstanceRegistry>,
    id: u64,
    owner: Arc<InstanceOwner>,
}

/// How a move of all instances went.
#[derive(Debug, Default)]
pub struct MigrationSummary {
    /// What became of the consumers.
    pub stats: MigrationStats,
    /// Instances of which nobody moved.
    pub unmoved_instances: u64,
    /// Why, and how often.
    pub failure_reasons: HashMap<String, u64>,
}

impl InstanceRegistry {
    /// An empty roster.
    pub fn new(plugin: Arc<Plugin>, layer: Arc<dyn ChannelLayer>) -> Self {
        Self {
            shared: SharedInstances::new(plugin.instance_count),
            traffic: Arc::new(TrafficCounters::new(Arc::clone(&plugin.quota))),
            plugin,
            layer,
            state: Mutex::default(),
            self_rollback: SelfRollbackSignal::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// Nothing leads to the plugin any more. A shared instance ends when the last of its connections has been told of its
    /// end; one that has none ends at once.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.shared.retire();
    }

    /// Whether nothing leads to the plugin any more: who joins it nevertheless has been on the way.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Whose instances these are.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// What went over the sockets of its connections.
    pub fn traffic(&self) -> &Arc<TrafficCounters> {
        &self.traffic
    }

    /// What its consumers talk through.
    pub fn layer(&self) -> &Arc<dyn ChannelLayer> {
        &self.layer
    }

    pub(super) fn effect_applier(&self) -> EffectApplier<'_> {
        EffectApplier { plugin: &self.plugin, layer: &*self.layer }
    }

    pub(super) fn register(self: &Arc<Self>, station: InstanceOwner) -> InstanceRegistration {
        let station = Arc::new(station);
        let mut stations = self.lock();
        stations.last_id += 1;
        let id = stations.last_id;
        stations.owners.insert(id, Arc::clone(&station));
        InstanceRegistration { registry: Arc::clone(self), id, owner: station }
    }

    /// Has what is left of the version before kept from now on.
    pub fn start_snapshot_retention(&self) {
        self.self_rollback.is_set.store(false, Ordering::SeqCst);
        let old = self.lock().rollback_snapshots.replace(FxHashMap::default());
        drop(old);
    }

    /// Lets go of what was left of the version before.
    pub fn drop_snapshots(&self) {
        let old = self.lock().rollback_snapshots.take();
        drop(old);
    }

    /// Waits until an instance that many share has gone back on its own.
    pub async fn wait_for_self_rollback(&self) {
        while !self.self_rollback.is_set.swap(false, Ordering::SeqCst) {
            self.self_rollback.notify.notified().await;
        }
    }

    /// A sample of any running instance; `None` if none gives one.
    pub async fn capture_trial_state(&self) -> Option<Result<TrialState, MigrationError>> {
        let mut last = None;
        for station in self.owners().into_iter().take(MAX_TRIAL_STATE_ATTEMPTS) {
            let (answer, sample) = oneshot::channel();
            station.send_command(OwnerCommand::CaptureTrialState(answer)).await;
            drop(station);
            match sample.await {
                Ok(Ok(sample)) => return Some(Ok(sample)),
                Ok(Err(error)) => last = Some(Err(error)),
                Err(_) => {}
            }
        }
        last
    }

    /// Moves every instance, a few at a time, each between two events.
    pub async fn migrate_all(&self, to: &Arc<Version>, direction: Direction) -> MigrationSummary {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut summary = MigrationSummary::default();
        let mut moves = JoinSet::new();
        for station in self.owners() {
            if moves.len() >= at_once
                && let Some(Ok(Some(moving))) = moves.join_next().await
            {
                summary.add(moving);
            }
            let (done, moving) = oneshot::channel();
            let order = OwnerCommand::Migrate(MigrateCommand {
                to: Arc::clone(to),
                direction,
                reply: done,
            });
            moves.spawn(async move {
                station.send_command(order).await;
                // With whoever left meanwhile the order goes too.
                drop(station);
                moving.await.ok()
            });
        }
        while let Some(moving) = moves.join_next().await {
            if let Ok(Some(moving)) = moving {
                summary.add(moving);
            }
        }
        summary
    }

    fn owners(&self) -> Vec<Arc<InstanceOwner>> {
        self.lock().owners.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InstanceOwner {
    pub(super) fn for_session(link: Arc<ConnectionHandle>) -> Self {
        Self::Session(link, Mutex::default())
    }

    /// Gives an order. One that was never looked for is dropped, which its giver sees.
    async fn send_command(&self, order: OwnerCommand) {
        match self {
            Self::Session(link, slot) => {
                let unread =
                    slot.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::new(order));
                drop(unread);
                link.outbound.signal_command();
            }
            Self::Shared(jobs) => {
                // A task that has ended drops the order with the job.
                let Some(jobs) = jobs.upgrade() else { return };
                let _ = jobs.send(Job::Command(order)).await;
            }
        }
    }
}

impl InstanceRegistration {
    /// The order that lies ready, if one does.
    pub(super) fn take_command(&self) -> Option<OwnerCommand> {
        match &*self.owner {
            InstanceOwner::Session(_, slot) => {
                slot.lock().unwrap_or_else(PoisonError::into_inner).take().map(|order| *order)
            }
            InstanceOwner::Shared(_) => None,
        }
    }

    /// Keeps what the version before was left with, if the new one is watched.
    pub(super) fn store_snapshot(&self, left: RollbackSnapshot) {
        let mut stations = self.registry.lock();
        let unkept = match &mut stations.rollback_snapshots {
            Some(kept) => kept.insert(self.id, left),
            None => Some(left),
        };
        drop(stations);
        drop(unkept);
    }

    /// Takes what the version before was left with.
    pub(super) fn take_snapshot(&self) -> Option<RollbackSnapshot> {
        self.registry.lock().rollback_snapshots.as_mut()?.remove(&self.id)
    }

    /// Where the state comes from for a move in a direction: what was saved ahead is for the way on.
    pub(super) fn state_source(&self, direction: Direction, ahead: PreSnapshots) -> StateSource {
        let left = match direction {
            Direction::Forward => None,
            Direction::Rollback => self.take_snapshot(),
        };
        left.map_or(StateSource::Running(ahead), StateSource::Rollback)
    }

    /// Tells the swap that an instance has gone back on its own.
    pub(super) fn notify_self_rollback(&self) {
        self.registry.self_rollback.is_set.store(true, Ordering::SeqCst);
        self.registry.self_rollback.notify.notify_one();
    }
}

impl Drop for InstanceRegistration {
    fn drop(&mut self) {
        let mut stations = self.registry.lock();
        let station = stations.owners.remove(&self.id);
        let left = stations.rollback_snapshots.as_mut().and_then(|left| left.remove(&self.id));
        drop(stations);
        drop((station, left));
        // What nobody will look for is dropped, so that no swap waits for it.
        drop(self.take_command());
    }
}

impl MigrationSummary {
    fn add(&mut self, MigrateResult { stats: outcome, error: why }: MigrateResult) {
        self.stats.merge(outcome);
        let Some(why) = why else { return };
        // A shared instance that nobody lives in for now stays too, state and all.
        if outcome.kept_old > 0 || outcome == MigrationStats::default() {
            self.unmoved_instances += 1;
        }
        let why = why.to_string();
        if self.failure_reasons.len() < MAX_REASONS || self.failure_reasons.contains_key(&why) {
            *self.failure_reasons.entry(why).or_default() += 1;
        }
    }
}
