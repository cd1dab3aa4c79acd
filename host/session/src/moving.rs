//! A session whose consumer has an instance of its own, on its way to another version.

use std::sync::Arc;

use super::order::{Direction, MoveOrder, Moving, Order};
use super::roster::Listed;
use super::seat::Calling;
use super::{Call, Fault, GuestFault, Session, tell_undone};
use narrowboat_config::FailedMove;
use narrowboat_core::fault::HostFault;
use narrowboat_runtime::{Ahead, MoveError, Outcome, Transfer, Version, Way};

impl Session {
    /// Carries out the order that lies ready.
    pub(super) async fn obey(&mut self) {
        let order = self.joined.listed.as_ref().and_then(Listed::take_order);
        match order {
            Some(Order::Sample(answer)) => {
                let calling = self.joined.seat.sample();
                let sample = self.wait(calling).await;
                let died = sample.as_ref().err().filter(|_| self.joined.seat.is_dead()).cloned();
                let _ = answer.send(sample);
                if let Some(why) = died {
                    // It will not live to see the other version, whatever becomes of that.
                    let live = self.joined.roster.plugin.live();
                    self.strand(live, why).await;
                }
            }
            Some(Order::Move(MoveOrder { to, direction, done })) => {
                let moving = self.move_over(to, direction).await;
                let _ = done.send(moving);
            }
            None => {}
        }
    }

    /// Whether the live version has changed while the consumer was joining.
    pub(super) fn is_behind(&self) -> bool {
        let live = self.joined.roster.plugin.live();
        self.joined.seat.version().is_some_and(|version| !Arc::ptr_eq(version, &live))
    }

    /// Goes to the live version.
    pub(super) async fn catch_up(&mut self) {
        let live = self.joined.roster.plugin.live();
        let Moving { why, .. } = self.move_over(live, Direction::On).await;
        if let Some(why) = why {
            let (plugin, channel) = self.joined.names();
            tracing::warn!(plugin, channel, "did not move to the live version: {why}");
        }
    }

    async fn move_over(&mut self, to: Arc<Version>, direction: Direction) -> Moving {
        if self.joined.seat.version().is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return Moving::default();
        }
        let Some(listed) = &self.joined.listed else { return Moving::default() };
        let way = listed.way(direction, Ahead::default());
        match self.transfer(Arc::clone(&to), way, direction).await {
            Ok(outcome) => Moving { outcome, why: None },
            Err(why) => self.strand(to, why).await,
        }
    }

    async fn transfer(
        &mut self,
        to: Arc<Version>,
        way: Way,
        direction: Direction,
    ) -> Result<Outcome, MoveError> {
        let calling = self.joined.seat.transfer(to, way);
        let Transfer { effects, left, outcome, .. } = self.wait(calling).await?;
        if direction == Direction::On
            && let Some(listed) = &self.joined.listed
        {
            listed.keep_left(left);
        }
        self.joined.outlet().apply(effects);
        Ok(outcome)
    }

    /// The consumer could not move: the plugin's policy says what becomes of it. One that died of
    /// being saved can be kept nowhere.
    async fn strand(&mut self, to: Arc<Version>, why: MoveError) -> Moving {
        let outcome = match self.joined.roster.plugin.failed_move {
            FailedMove::KeepOld if self.joined.seat.is_dead() => self.lose(&why),
            FailedMove::KeepOld => Outcome { stayed: 1, ..Outcome::default() },
            FailedMove::Restart => {
                let calling = self.joined.seat.restart(to);
                match self.wait(calling).await {
                    Ok(effects) => {
                        self.joined.outlet().apply(effects);
                        Outcome { restarted: 1, ..Outcome::default() }
                    }
                    Err(error) => self.lose(&error),
                }
            }
            FailedMove::Close => self.lose(&why),
        };
        self.joined.seat.clear_dead();
        Moving { outcome, why: Some(why) }
    }

    fn lose(&self, why: &MoveError) -> Outcome {
        if self.joined.seat.is_dead() {
            let version = self.joined.seat.version().map(|version| version.digest());
            tell_undone(self.joined.names().0, version, 1);
        }
        self.joined.fail(Fault::Host(HostFault::StateLost(why.to_string())));
        Outcome { closed: 1, ..Outcome::default() }
    }

    /// After a trap in a version that is new: takes the consumer back to the version it came from,
    /// and brings it the event again, of which nothing has happened; true if that has been done.
    pub(super) async fn go_back(&mut self, call: Call, fault: &GuestFault) -> bool {
        let left = self.joined.listed.as_ref().and_then(Listed::take_left);
        let Some(left) = left else { return false };
        let to = Arc::clone(left.version());
        let digest = to.digest().short();
        let back = self.transfer(to, Way::Back(left), Direction::Back).await;
        let (plugin, channel) = self.joined.names();
        match back {
            Ok(Outcome { undone, .. }) => {
                tracing::warn!(
                    plugin,
                    channel,
                    "{fault}: back to version {digest}, and to the state it was left with; the \
                     changes of {undone} events are lost"
                );
                Box::pin(self.enter(call)).await;
                true
            }
            Err(why) => {
                tracing::warn!(plugin, channel, "no way back to version {digest}: {why}");
                false
            }
        }
    }

    /// Waits for work in the instance, going on with the socket meanwhile.
    pub(super) async fn wait<T>(&mut self, calling: Calling<T>) -> T {
        match calling {
            Calling::Over(answer) => answer,
            Calling::Elsewhere(running) => self.attend(running).await,
        }
    }
}
