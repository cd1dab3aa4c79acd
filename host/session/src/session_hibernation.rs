//! The hibernation of a session whose connection is idle.

use std::task::{Context, Poll};

use super::hibernation::{Hibernated, IdleTimer};
use super::session::Session;
use super::session_link::SessionLink;
use narrowboat_core::fault::Fault;

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
                self.consumer.binding.hibernate(hibernated);
            }
            Err(fault) => {
                let (plugin, channel) = self.consumer.log_fields();
                tracing::warn!(plugin, channel, %fault, "a connection cannot hibernate");
                if self.consumer.binding.is_dead() {
                    self.consumer.fail(Fault::Guest(fault));
                    self.consumer.binding.drop_dead_instance();
                }
            }
        }
    }

    /// Runs a command with an instance. A connection that hibernated does so again.
    pub(super) async fn run_command_awake(&mut self) {
        let Some(pending) = self.consumer.binding.wake() else {
            return self.run_pending_command().await;
        };
        match self.await_call(pending).await {
            Ok(effects) => {
                self.consumer.effect_applier().apply(effects);
                self.run_pending_command().await;
                if self.consumer.postponed_move.is_none() {
                    self.hibernate().await;
                }
            }
            Err(fault) => {
                self.consumer.fail(Fault::Guest(fault));
                self.run_pending_command().await;
            }
        }
        self.start_idle_timer();
    }
}
