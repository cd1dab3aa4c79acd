//! The turns that a task takes at the end of its wake-up, for consumers that it has sent messages to.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::deferred_turn::DeferredTurn;
use crate::charged_flush::flush_charged;
use crate::drain_budget::DrainBudget;
use narrowboat_core::flush_after_poll::FlushAfterPoll;
use narrowboat_runtime::Plugin;

/// The turns that one task takes in a row. Further ones go to tasks of their own, in pieces.
const MAX_TURNS_IN_A_ROW: usize = 64;

/// The turns that one wake-up collects. A larger room is woken as usual: so many instances are not in the caches, and a
/// session handles all messages that have come meanwhile in one wake-up.
const MAX_DEFERRED_TURNS: usize = 1_024;

thread_local! {
    /// The turns of the wake-up that runs on this thread. `None` outside of one.
    static TURNS: RefCell<Option<TurnList>> = const { RefCell::new(None) };
}

/// The turns that a wake-up has collected.
struct TurnList {
    turns: Vec<DeferredTurn>,
    /// The plugin whose task this is. A call may be long, so a task calls consumers of its own plugin only.
    plugin: *const Plugin,
}

/// Adds the turn of a consumer of `plugin` to those of this wake-up. Returns false if the session has to be woken.
pub(super) fn defer_turn(plugin: &Arc<Plugin>, turn: impl FnOnce() -> DeferredTurn) -> bool {
    TURNS.with_borrow_mut(|list| match list {
        Some(list)
            if list.plugin == Arc::as_ptr(plugin) && list.turns.len() < MAX_DEFERRED_TURNS =>
        {
            list.turns.push(turn());
            true
        }
        _ => false,
    })
}

/// Takes the turns of this wake-up, and those that are added meanwhile: as many as one task takes in a row, for about a
/// millisecond. Hands the others on to further tasks.
pub(crate) fn take_deferred_turns() {
    let (mut left, mut budget) = (MAX_TURNS_IN_A_ROW, None);
    loop {
        let mut turns = take_list();
        if turns.is_empty() {
            return;
        }
        let budget = budget.get_or_insert_with(DrainBudget::new);
        let taken = if budget.is_exhausted() { 0 } else { left.min(turns.len()) };
        left -= taken;
        hand_on_in_pieces(turns.split_off(taken));
        take_all(turns, budget);
    }
}

fn take_list() -> Vec<DeferredTurn> {
    TURNS.with_borrow_mut(|list| {
        list.as_mut().map(|list| std::mem::take(&mut list.turns)).unwrap_or_default()
    })
}

/// Takes turns until the budget is exhausted, and hands on the others.
fn take_all(turns: Vec<DeferredTurn>, budget: &DrainBudget) {
    let mut turns = turns.into_iter();
    while !budget.is_exhausted()
        && let Some(turn) = turns.next()
    {
        turn.take(budget);
    }
    hand_on(turns.collect());
}

fn hand_on_in_pieces(mut turns: Vec<DeferredTurn>) {
    while turns.len() > MAX_TURNS_IN_A_ROW {
        hand_on(turns.split_off(turns.len() - MAX_TURNS_IN_A_ROW));
    }
    hand_on(turns);
}

/// Lets a task of their own take the turns. Without a runtime, which is ending then, the sessions are woken.
fn hand_on(turns: Vec<DeferredTurn>) {
    let Some(first) = turns.first() else { return };
    let Ok(runtime) = Handle::try_current() else { return };
    let plugin = Arc::clone(&first.registry.plugin);
    let quota = Arc::clone(&plugin.quota);
    let work = async move {
        let _scope = TurnScope::begin(&plugin, turns);
        take_deferred_turns();
    };
    runtime.spawn(FlushAfterPoll::new(work, move |list| flush_charged(&quota, list)));
}

/// Collects the turns of this thread, which polls one task at a time. Dropping it wakes the sessions of those that are left.
struct TurnScope {
    /// Keeps the scope on its thread.
    thread: PhantomData<*const ()>,
}

impl TurnScope {
    /// Begins with turns that another task has handed on.
    fn begin(plugin: &Arc<Plugin>, turns: Vec<DeferredTurn>) -> Self {
        TURNS.set(Some(TurnList { turns, plugin: Arc::as_ptr(plugin) }));
        Self { thread: PhantomData }
    }
}

impl Drop for TurnScope {
    fn drop(&mut self) {
        let left = TURNS.take();
        drop(left);
    }
}

pin_project! {
    /// A future that takes the turns of consumers at the end of each of its polls, which are the wake-ups of its task.
    pub(crate) struct DeferredTurns<F> {
        #[pin]
        future: F,
        plugin: Arc<Plugin>,
    }
}

impl<F> DeferredTurns<F> {
    /// Wraps a future of a task of `plugin`.
    pub(crate) fn new(plugin: Arc<Plugin>, future: F) -> Self {
        Self { future, plugin }
    }
}

impl<F: Future> Future for DeferredTurns<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = TurnScope::begin(this.plugin, Vec::new());
        let result = this.future.poll(cx);
        take_deferred_turns();
        result
    }
}
