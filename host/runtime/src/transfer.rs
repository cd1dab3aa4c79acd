//! Moving the consumers of an instance into a new instance of another version: the module's state
//! first, then every consumer.

use std::sync::Arc;
use std::time::{self, Duration};

use rustc_hash::FxHashMap;
use thiserror::Error;

use super::call::ConnectionId;
use super::effects::Effect;
use super::instance::Instance;
use super::saved::{Passenger, Sample, Saved};
use super::version::Version;
use narrowboat_config::FailedMove;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};

/// What an instance left a version with. A roll-back restores from it, since an old version can
/// seldom read what a newer one saves.
pub struct Left {
    version: Arc<Version>,
    module: Option<Saved>,
    consumers: Consumers,
}

/// Consumers as they were saved.
type Consumers = FxHashMap<ConnectionId, Saved>;

/// Where the state comes from that the new instance gets.
pub enum Way {
    /// From the running instance, as far as it was not saved ahead.
    On(Ahead),
    /// From what it left an earlier version with. A consumer that came later is taken from the
    /// running instance, if that still runs.
    Back(Left),
}

/// Consumers that were saved before the transfer, while the others went on.
#[derive(Debug, Default)]
pub struct Ahead(Consumers);

/// A transfer that took place.
pub struct Transfer {
    /// The instance that was left, to be dropped.
    pub old: Box<Instance>,
    /// What `load-module` and each `restore` asked for.
    pub effects: Vec<Effect>,
    /// What the old instance was left with.
    pub left: Left,
    /// What became of the consumers.
    pub outcome: Outcome,
}

/// What became of consumers that were to move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Consumers that moved with their state.
    pub moved: u64,
    /// Consumers that began afresh, by the policy `restart`.
    pub restarted: u64,
    /// Connections that were closed, by the policy `close`.
    pub closed: u64,
    /// Consumers that stay on the version they were on.
    pub stayed: u64,
    /// Events whose changes of state were undone by going back.
    pub undone: u64,
    /// The longest that one transfer took, and held its consumers up.
    pub held_up: Duration,
}

/// Why a consumer, or all of an instance, did not move.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoveError {
    /// The old version did not save a consumer.
    #[error("snapshot, in the old version: {0}")]
    Snapshot(GuestFault),
    /// The old version did not save the module.
    #[error("save-module, in the old version: {0}")]
    SaveModule(GuestFault),
    /// No instance of the new version could be made.
    #[error("cannot start: {0}")]
    Start(GuestFault),
    /// The new version did not take the module's state.
    #[error("load-module: {0}")]
    LoadModule(GuestFault),
    /// The new version did not take a consumer's state.
    #[error("restore: {0}")]
    Restore(GuestFault),
    /// The new version, asked for a fresh consumer, did not give one.
    #[error("connect, for a fresh consumer: {0}")]
    Restart(GuestFault),
}

impl Ahead {
    /// Forgets a consumer that has changed since.
    pub fn forget(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }
}

impl Left {
    /// The version that was left.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }
}

impl Outcome {
    /// Adds what became of others.
    pub fn add(&mut self, other: Self) {
        self.moved += other.moved;
        self.restarted += other.restarted;
        self.closed += other.closed;
        self.stayed += other.stayed;
        self.undone += other.undone;
        self.held_up = self.held_up.max(other.held_up);
    }
}

impl Instance {
    /// Saves consumers ahead of a transfer. One that cannot be saved is left to the transfer.
    pub fn save_ahead(&mut self, consumers: &[ConnectionId], ahead: &mut Ahead) {
        for id in consumers {
            if let Ok(saved) = self.snapshot(*id) {
                ahead.0.insert(*id, saved);
            }
        }
    }

    /// What a trial of another version needs of this instance.
    ///
    /// # Errors
    /// When the guest does not save it.
    pub fn sample(&mut self) -> Result<Sample, MoveError> {
        let consumer = self.first_passenger().map(|passenger| {
            let saved = self.snapshot(passenger.id).map_err(MoveError::Snapshot)?;
            Ok((passenger, saved))
        });
        let consumer = consumer.transpose()?;
        let module = self.save_module().map_err(MoveError::SaveModule)?;
        Ok(Sample { module, consumer })
    }
}

impl Sample {
    /// Tries a version with it on a store that is thrown away, with whatever the guest asked for.
    ///
    /// # Errors
    /// What the version fails at.
    pub fn try_on(self, version: Arc<Version>) -> Result<(), MoveError> {
        let mut instance = Instance::on_trial(version).map_err(MoveError::Start)?;
        if let Some(module) = &self.module {
            instance.load_module(module).map_err(MoveError::LoadModule)?;
        }
        if let Some((passenger, saved)) = self.consumer {
            instance.restore(&passenger, &saved).map_err(MoveError::Restore)?;
        }
        Ok(())
    }
}

/// Moves all consumers of `instance` into a new one of `to`, under the same identifiers, which takes
/// its place. A consumer that cannot move begins afresh or is closed, as `policy` says; with
/// [`FailedMove::KeepOld`] nobody moves then.
///
/// # Errors
/// Nobody has moved, and `instance` goes on, unless the fault is one that ended it.
pub fn transfer(
    instance: &mut Box<Instance>,
    to: Arc<Version>,
    way: Way,
    policy: FailedMove,
) -> Result<Transfer, MoveError> {
    let began = time::Instant::now();
    let old = &mut **instance;
    let passengers = old.passengers();
    let undone = match &way {
        Way::On(_) => 0,
        Way::Back(_) => old.events(),
    };
    let (left, unsaved) = leave(old, &passengers, way, policy)?;
    let mut new = Instance::successor(to).map_err(MoveError::Start)?;
    new.succeed(old);
    if let Some(module) = &left.module {
        new.load_module(module).map_err(MoveError::LoadModule)?;
    }
    let mut arrival = Arrival {
        effects: new.take_effects(),
        instance: new,
        policy,
        outcome: Outcome { undone, ..Outcome::default() },
    };
    for passenger in &passengers {
        match left.consumers.get(&passenger.id) {
            Some(saved) => arrival.restore(passenger, saved)?,
            None => {
                let gone = || MoveError::Snapshot(GuestFault::InstanceGone);
                let why = unsaved.get(&passenger.id).cloned().unwrap_or_else(gone);
                arrival.strand(passenger, why)?;
            }
        }
    }
    let Arrival { instance: new, effects, mut outcome, .. } = arrival;
    let old = std::mem::replace(instance, Box::new(new));
    outcome.held_up = began.elapsed();
    Ok(Transfer { old, effects, left, outcome })
}

/// Puts a fresh consumer in the place of each in `old`, in a new instance of `to` without state.
///
/// # Errors
/// `old` is as it was.
pub fn restart(
    old: &Instance,
    to: Arc<Version>,
) -> Result<(Box<Instance>, Vec<Effect>), MoveError> {
    let mut instance = Instance::successor(to).map_err(MoveError::Start)?;
    instance.succeed(old);
    let mut effects = Vec::new();
    for passenger in old.passengers() {
        instance.restart(&passenger).map_err(MoveError::Restart)?;
        effects.append(&mut instance.take_effects());
    }
    Ok((Box::new(instance), effects))
}

/// Saves the consumers, then the module they share.
fn leave(
    old: &mut Instance,
    passengers: &[Passenger],
    way: Way,
    policy: FailedMove,
) -> Result<(Left, FxHashMap<ConnectionId, MoveError>), MoveError> {
    let (mut earlier, module) = match way {
        Way::On(ahead) => (ahead.0, None),
        Way::Back(left) => (left.consumers, Some(left.module)),
    };
    let mut consumers = Consumers::with_capacity_and_hasher(passengers.len(), Default::default());
    let mut unsaved = FxHashMap::default();
    for Passenger { id, .. } in passengers {
        match earlier.remove(id).map_or_else(|| old.snapshot(*id), Ok) {
            Ok(saved) => {
                consumers.insert(*id, saved);
            }
            Err(fault) if policy == FailedMove::KeepOld => return Err(MoveError::Snapshot(fault)),
            Err(fault) => {
                unsaved.insert(*id, MoveError::Snapshot(fault));
            }
        }
    }
    let module = match module {
        Some(module) => module,
        None => old.save_module().map_err(MoveError::SaveModule)?,
    };
    let version = Arc::clone(old.version());
    Ok((Left { version, module, consumers }, unsaved))
}

/// The new instance, filling.
struct Arrival {
    instance: Instance,
    effects: Vec<Effect>,
    policy: FailedMove,
    outcome: Outcome,
}

impl Arrival {
    fn restore(&mut self, passenger: &Passenger, saved: &Saved) -> Result<(), MoveError> {
        match self.instance.restore(passenger, saved) {
            Ok(()) => {
                self.effects.append(&mut self.instance.take_effects());
                self.outcome.moved += 1;
                Ok(())
            }
            Err(fault) => self.strand(passenger, MoveError::Restore(fault)),
        }
    }

    /// A consumer that cannot move. A trap here ends the new instance, and with it the transfer.
    fn strand(&mut self, passenger: &Passenger, why: MoveError) -> Result<(), MoveError> {
        drop(self.instance.take_effects());
        if self.policy == FailedMove::KeepOld || self.instance.is_dead() {
            return Err(why);
        }
        if self.policy == FailedMove::Restart {
            match self.instance.restart(passenger) {
                Ok(()) => {
                    self.effects.append(&mut self.instance.take_effects());
                    self.outcome.restarted += 1;
                    return Ok(());
                }
                Err(fault) if self.instance.is_dead() => return Err(MoveError::Restart(fault)),
                Err(_) => drop(self.instance.take_effects()),
            }
        }
        let lost = Fault::Host(HostFault::StateLost(why.to_string()));
        self.effects.push(Effect::Fail(Arc::clone(&passenger.link), lost));
        self.outcome.closed += 1;
        Ok(())
    }
}
