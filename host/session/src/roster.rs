//! Who runs instances of a plugin, so that a swap reaches each of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::apply::Outlet;
use super::order::{Direction, MoveOrder, Moving, Order};
use super::shared::{Job, SharedInstances};
use narrowboat_channels::ChannelLayer;
use narrowboat_runtime::{Ahead, Left, MoveError, Outcome, Plugin, Sample, Version, Way};
use narrowboat_websocket::connection::{Link, Traffic};

/// Instances asked for a sample before a trial goes without.
const SAMPLES_TRIED: usize = 3;

/// Reasons that are told apart when a swap is summed up.
const MAX_REASONS: usize = 16;

/// The sessions of one plugin, and the instances they share.
pub struct Roster {
    pub(super) plugin: Arc<Plugin>,
    pub(super) layer: Arc<dyn ChannelLayer>,
    pub(super) shared: SharedInstances,
    traffic: Arc<Traffic>,
    stations: Mutex<Stations>,
    went_back: WentBack,
    retired: AtomicBool,
}

#[derive(Default)]
struct Stations {
    last: u64,
    all: FxHashMap<u64, Arc<Station>>,
    /// While a new version is watched: what each left the version before with.
    left: Option<FxHashMap<u64, Left>>,
}

/// Whether an instance that many share has gone back on its own since a new version is watched.
#[derive(Default)]
struct WentBack {
    happened: AtomicBool,
    told: Notify,
}

/// Where an order reaches the owner of an instance.
pub(super) enum Station {
    /// A session, which is summoned to look for it.
    Session(Arc<Link>, Mutex<Option<Box<Order>>>),
    /// The task of a shared instance. The roster does not keep it: a task whose plugin is retired ends with its last
    /// connection.
    Shared(mpsc::WeakSender<Job>),
}

/// A place on the roster, given up when dropped.
pub(super) struct Listed {
    roster: Arc<Roster>,
    id: u64,
    station: Arc<Station>,
}

/// How a move of all instances went.
#[derive(Debug, Default)]
pub struct Summary {
    /// What became of the consumers.
    pub outcome: Outcome,
    /// Instances of which nobody moved.
    pub unmoved: u64,
    /// Why, and how often.
    pub reasons: HashMap<String, u64>,
}

impl Roster {
    /// An empty roster.
    pub fn new(plugin: Arc<Plugin>, layer: Arc<dyn ChannelLayer>) -> Self {
        Self {
            shared: SharedInstances::new(plugin.instances),
            traffic: Arc::new(Traffic::new(Arc::clone(&plugin.allowance))),
            plugin,
            layer,
            stations: Mutex::default(),
            went_back: WentBack::default(),
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
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// What its consumers talk through.
    pub fn layer(&self) -> &Arc<dyn ChannelLayer> {
        &self.layer
    }

    pub(super) fn outlet(&self) -> Outlet<'_> {
        Outlet { plugin: &self.plugin, layer: &*self.layer }
    }

    pub(super) fn list(self: &Arc<Self>, station: Station) -> Listed {
        let station = Arc::new(station);
        let mut stations = self.lock();
        stations.last += 1;
        let id = stations.last;
        stations.all.insert(id, Arc::clone(&station));
        Listed { roster: Arc::clone(self), id, station }
    }

    /// Has what is left of the version before kept from now on.
    pub fn keep_left(&self) {
        self.went_back.happened.store(false, Ordering::SeqCst);
        let old = self.lock().left.replace(FxHashMap::default());
        drop(old);
    }

    /// Lets go of what was left of the version before.
    pub fn forget_left(&self) {
        let old = self.lock().left.take();
        drop(old);
    }

    /// Waits until an instance that many share has gone back on its own.
    pub async fn went_back(&self) {
        while !self.went_back.happened.swap(false, Ordering::SeqCst) {
            self.went_back.told.notified().await;
        }
    }

    /// A sample of any running instance; `None` if none gives one.
    pub async fn sample(&self) -> Option<Result<Sample, MoveError>> {
        let mut last = None;
        for station in self.stations().into_iter().take(SAMPLES_TRIED) {
            let (answer, sample) = oneshot::channel();
            station.give(Order::Sample(answer)).await;
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
    pub async fn move_all(&self, to: &Arc<Version>, direction: Direction) -> Summary {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut summary = Summary::default();
        let mut moves = JoinSet::new();
        for station in self.stations() {
            if moves.len() >= at_once
                && let Some(Ok(Some(moving))) = moves.join_next().await
            {
                summary.add(moving);
            }
            let (done, moving) = oneshot::channel();
            let order = Order::Move(MoveOrder { to: Arc::clone(to), direction, done });
            moves.spawn(async move {
                station.give(order).await;
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

    fn stations(&self) -> Vec<Arc<Station>> {
        self.lock().all.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Stations> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Station {
    pub(super) fn of_session(link: Arc<Link>) -> Self {
        Self::Session(link, Mutex::default())
    }

    /// Gives an order. One that was never looked for is dropped, which its giver sees.
    async fn give(&self, order: Order) {
        match self {
            Self::Session(link, slot) => {
                let unread =
                    slot.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::new(order));
                drop(unread);
                link.outbound.summon();
            }
            Self::Shared(jobs) => {
                // A task that has ended drops the order with the job.
                let Some(jobs) = jobs.upgrade() else { return };
                let _ = jobs.send(Job::Order(order)).await;
            }
        }
    }
}

impl Listed {
    /// The order that lies ready, if one does.
    pub(super) fn take_order(&self) -> Option<Order> {
        match &*self.station {
            Station::Session(_, slot) => {
                slot.lock().unwrap_or_else(PoisonError::into_inner).take().map(|order| *order)
            }
            Station::Shared(_) => None,
        }
    }

    /// Keeps what the version before was left with, if the new one is watched.
    pub(super) fn keep_left(&self, left: Left) {
        let mut stations = self.roster.lock();
        let unkept = match &mut stations.left {
            Some(kept) => kept.insert(self.id, left),
            None => Some(left),
        };
        drop(stations);
        drop(unkept);
    }

    /// Takes what the version before was left with.
    pub(super) fn take_left(&self) -> Option<Left> {
        self.roster.lock().left.as_mut()?.remove(&self.id)
    }

    /// Where the state comes from for a move in a direction: what was saved ahead is for the way on.
    pub(super) fn way(&self, direction: Direction, ahead: Ahead) -> Way {
        let left = match direction {
            Direction::On => None,
            Direction::Back => self.take_left(),
        };
        left.map_or(Way::On(ahead), Way::Back)
    }

    /// Tells the swap that an instance has gone back on its own.
    pub(super) fn tell_gone_back(&self) {
        self.roster.went_back.happened.store(true, Ordering::SeqCst);
        self.roster.went_back.told.notify_one();
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut stations = self.roster.lock();
        let station = stations.all.remove(&self.id);
        let left = stations.left.as_mut().and_then(|left| left.remove(&self.id));
        drop(stations);
        drop((station, left));
        // What nobody will look for is dropped, so that no swap waits for it.
        drop(self.take_order());
    }
}

impl Summary {
    fn add(&mut self, Moving { outcome, why }: Moving) {
        self.outcome.add(outcome);
        let Some(why) = why else { return };
        // A shared instance that nobody lives in for now stays too, state and all.
        if outcome.stayed > 0 || outcome == Outcome::default() {
            self.unmoved += 1;
        }
        let why = why.to_string();
        if self.reasons.len() < MAX_REASONS || self.reasons.contains_key(&why) {
            *self.reasons.entry(why).or_default() += 1;
        }
    }
}
