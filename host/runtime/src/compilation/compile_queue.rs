//! The turns of tenants at the compiler.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::load_cancellation::LoadCancellation;
use narrowboat_core::name::Tenant;

/// The owner of a compilation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CompileOwner {
    /// The host, which compiles the runtimes of source plugins.
    Host,
    /// A tenant.
    Tenant(Tenant),
}

/// Lets one compilation run at a time, since it takes all cores. Owners get turns one after the other: an owner that has
/// had its turn is served again after all others that wait. Clones share the turns.
///
/// Each waiting compilation blocks a thread of its own, so the limits of loads bound the queue.
#[derive(Clone, Default)]
pub(crate) struct CompileQueue(Arc<Mutex<Turns>>);

#[derive(Default)]
struct Turns {
    /// The owner whose compilation runs, with its waiting ones.
    running: Option<WaitingOwner>,
    /// The other owners that wait, in the order of their turns.
    waiting: VecDeque<WaitingOwner>,
    next_ticket: u64,
}

/// An owner with its waiting compilations, in their order.
struct WaitingOwner {
    owner: CompileOwner,
    compilations: VecDeque<WaitingCompilation>,
}

struct WaitingCompilation {
    ticket: u64,
    /// Tells the waiting thread that it has the turn.
    admit: SyncSender<()>,
}

/// The right to compile. Dropping it ends the turn.
#[must_use]
pub(crate) struct CompileTurn(CompileQueue);

impl CompileQueue {
    /// Waits for a turn. `None` if the load is cancelled. Blocks.
    pub(crate) fn wait_for_turn(
        &self,
        owner: &CompileOwner,
        cancellation: &LoadCancellation,
    ) -> Option<CompileTurn> {
        let (admit, admitted) = sync_channel(1);
        let ticket = self.lock().enter(owner, admit);
        let queue = self.clone();
        let step = cancellation.begin_step(move || queue.lock().leave(ticket));
        if step.is_none() {
            self.lock().leave(ticket);
        }
        // Without its ticket the compilation gets no turn, unless it has got it already.
        let turn = admitted.recv().ok().map(|()| CompileTurn(self.clone()))?;
        (!cancellation.is_cancelled()).then_some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Adds a compilation. It gets the turn at once if no other has it.
    fn enter(&mut self, owner: &CompileOwner, admit: SyncSender<()>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let mut owners = self.running.iter_mut().chain(&mut self.waiting);
        let compilation = WaitingCompilation { ticket, admit };
        match owners.find(|waiting| waiting.owner == *owner) {
            Some(waiting) => waiting.compilations.push_back(compilation),
            None => self.waiting.push_back(WaitingOwner {
                owner: owner.clone(),
                compilations: VecDeque::from([compilation]),
            }),
        }
        if self.running.is_none() {
            self.start_next();
        }
        ticket
    }

    /// Removes a compilation that waits.
    fn leave(&mut self, ticket: u64) {
        for owner in self.running.iter_mut().chain(&mut self.waiting) {
            owner.compilations.retain(|compilation| compilation.ticket != ticket);
        }
        self.waiting.retain(|owner| !owner.compilations.is_empty());
    }

    /// Ends a turn. Its owner queues behind the others that wait.
    fn end_turn(&mut self) {
        let ended = self.running.take();
        self.waiting.extend(ended.filter(|owner| !owner.compilations.is_empty()));
        self.start_next();
    }

    fn start_next(&mut self) {
        let Some(mut next) = self.waiting.pop_front() else { return };
        if let Some(compilation) = next.compilations.pop_front() {
            // The thread waits until it is admitted or its sender is dropped, so the message always arrives.
            let _ = compilation.admit.send(());
        }
        self.running = Some(next);
    }
}

impl Drop for CompileTurn {
    fn drop(&mut self) {
        self.0.lock().end_turn();
    }
}

#[cfg(test)]
mod tests;
