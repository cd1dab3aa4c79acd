//! The hibernation of a session whose connection is idle.

use std::task::{Context, Poll};

use super::hibernation::{FailedWake, Hibernated, IdleTimer, WakeQuota};
use super::instance_registration::InstanceRegistration;
use super::migrating_owner::MigratingOwner;
use super::session::Session;
use super::session_link::SessionLink;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::Call;

impl<L: SessionLink> Session<L> {
    /// Begins to wait until the connection is idle, if its version asks for that.
    pub(super) fn start_idle_timer(&mut self) {
        let binding = &self.consumer.binding;
        let after = binding.version().and_then(|version| version.hibernate_after());
        let mark = binding.mark();
        self.idle_timer = after.map(|after| Box::new(IdleTimer::new(after, mark)));
    }

    /// Polls whether the connection may have been idle for long enough.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.idle_timer {
            Some(timer) if !self.consumer.binding.is_hibernated() => timer.poll_elapsed(cx),
            _ => Poll::Pending,
        }
    }

    /// Hibernates, if the connection has had no event since the wait began; else waits again.
    pub(super) async fn hibernate_if_idle(&mut self) {
        let mark = self.consumer.binding.mark();
        let was_idle = self.idle_timer.as_ref().is_some_and(|timer| timer.was_idle(mark));
        if was_idle && self.consumer.postponed_move.is_none() {
            self.hibernate().await;
        }
        self.start_idle_timer();
    }

    /// Saves the consumer, and drops its instance. A guest whose code waits keeps it.
    async fn hibernate(&mut self) {
        let pending = self.consumer.binding.save_for_hibernation();
        match self.await_call(pending).await {
            Ok(None) => {}
            Ok(Some(saved)) => {
                let hibernated = Hibernated::new(&self.consumer.registry, saved);
                self.consumer.binding.hibernate(Box::new(hibernated));
            }
            Err(fault) => {
                let (plugin, channel) = self.consumer.log_fields();
                tracing::warn!(plugin, channel, %fault, "a connection cannot hibernate");
                if self.consumer.binding.is_dead() {
                    self.handle_dead_instance(fault, None).await;
                }
            }
        }
    }

    /// Makes an instance for a connection that hibernates. A consumer that its version cannot restore goes back to the state
    /// with which it left the version before, if that is kept. Otherwise the connection ends, and this returns false.
    async fn wake(&mut self, quota: WakeQuota) -> bool {
        while let Some(pending) = self.consumer.binding.wake(quota) {
            match self.await_call(pending).await {
                Ok(effects) => self.consumer.effect_applier().apply(effects),
                Err(failed) => {
                    if !self.roll_back_hibernated(failed) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Lets a connection that could not wake hibernate with the state of the version before. If there is none, ends the
    /// connection, and returns false.
    fn roll_back_hibernated(&mut self, FailedWake { fault, hibernated }: FailedWake) -> bool {
        if matches!(fault, GuestFault::QuotaExceeded(_)) {
            // The state is kept for the call of `disconnect`.
            hibernated.into_iter().for_each(|it| self.consumer.binding.hibernate(it));
            self.end_connection(fault);
            return false;
        }
        let registration = self.consumer.registration.as_ref();
        let earlier = registration.and_then(InstanceRegistration::take_snapshot);
        let (Some(earlier), Some(mut hibernated)) = (earlier, hibernated) else {
            self.end_connection(fault);
            return false;
        };
        let (plugin, channel) = self.consumer.log_fields();
        let version = &*earlier.version().digest().short_hex();
        tracing::warn!(plugin, channel, version, %fault, "rolled back one consumer after a fault");
        hibernated.roll_back_to(earlier);
        self.consumer.binding.hibernate(hibernated);
        true
    }

    /// Calls a consumer that hibernates.
    pub(super) async fn wake_and_call(&mut self, call: Call) {
        if self.wake(WakeQuota::Kept).await {
            self.call_guest(call).await;
        }
    }

    /// Runs a command with an instance. A connection that hibernated does so again.
    pub(super) async fn run_command_awake(&mut self) {
        let has_hibernated = self.consumer.binding.is_hibernated();
        self.wake(WakeQuota::Exceeded).await;
        self.run_pending_command().await;
        let hibernates = self.version().is_some_and(|version| version.hibernate_after().is_some());
        if has_hibernated && hibernates && self.consumer.postponed_move.is_none() {
            self.hibernate().await;
        }
        self.start_idle_timer();
    }
}
