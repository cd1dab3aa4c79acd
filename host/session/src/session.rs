//! The session: the loop that joins a connection, a consumer and a mailbox.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::coop::consume_budget;
use tracing::{Level, Span, info_span, span_enabled};

use super::accepted_consumer::AcceptedConsumer;
use super::call_outcome::{CallOutcome, CallReply};
use super::dedicated::{FailedTurn, LentInstance};
use super::hibernation::IdleTimer;
use super::migrating_owner::MigratingOwner;
use super::pending_call::{CallFuture, PendingCall};
use super::reply_fault::reply_fault;
use super::session_link::{LinkState, SessionEvent, SessionLink};
use super::shared::SharedTurns;
use super::skipped_disconnects::log_skipped_disconnects;
use narrowboat_channels::Delivery;
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_core::frame::Frame;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, GuestReply};
use narrowboat_sync::TakenBack;
use narrowboat_websocket::connection::NextTimer;

/// Deliveries that a session takes in a row before it polls the client.
const MAX_CONSECUTIVE_DELIVERIES: u32 = 32;

/// Messages of one read that a session handles in a row before it looks at requests, deliveries and timers.
const MAX_CONSECUTIVE_MESSAGES: usize = 16;

/// The part of a call that its session has to wait for.
type RestOfCall<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A session. Dropping it drops its consumer, which calls `disconnect` with 1006.
pub(super) struct Session<L> {
    pub(super) consumer: AcceptedConsumer,
    /// The client's side.
    pub(super) link: L,
    next_timer: NextTimer,
    /// Deliveries since the client was last polled.
    consecutive_deliveries: u32,
    /// Further messages of the last read that may be handled in a row.
    remaining_messages: usize,
    /// Whether a message has come for the consumer. Most connections without groups never get one.
    has_had_message: bool,
    /// The wait until the connection hibernates. Boxed, because few connections have one.
    pub(super) idle_timer: Option<Box<IdleTimer>>,
}

impl<L: SessionLink> Session<L> {
    pub(super) fn new(consumer: AcceptedConsumer, link: L) -> Self {
        Self {
            consumer,
            link,
            next_timer: None,
            consecutive_deliveries: 0,
            remaining_messages: 0,
            has_had_message: false,
            idle_timer: None,
        }
    }

    /// Runs the session until its client's side has ended.
    pub(super) async fn run(&mut self) -> L::End {
        let turns = self.consumer.binding.shared_turns();
        let events = std::pin::pin!(self.run_loop());
        SharedTurns::drain_after_polls(turns, events).await
    }

    async fn run_loop(&mut self) -> L::End {
        let id = self.consumer.id;
        if self.is_outdated() {
            Box::pin(self.migrate_to_live()).await;
            self.start_idle_timer();
        }
        loop {
            let event = self.next_event().await;
            let is_command = matches!(event, SessionEvent::Command);
            match event {
                SessionEvent::Frame(frame) => {
                    let call = self.gather_frames(frame);
                    self.call_guest(call).await;
                }
                SessionEvent::Delivery(Delivery::Message(message)) => {
                    self.has_had_message = true;
                    self.call_guest(Call::Handle(id, message)).await;
                }
                SessionEvent::Delivery(Delivery::Frame(frame)) => {
                    // A refused frame is a lost delivery: the overflow policy has acted at the limit.
                    self.consumer.control.push(frame);
                }
                SessionEvent::Timer(timer) => self.call_guest(Call::Timer(id, timer)).await,
                SessionEvent::Command => Box::pin(self.run_command_awake()).await,
                SessionEvent::Idle => Box::pin(self.hibernate_if_idle()).await,
                SessionEvent::MoveDue => {}
                SessionEvent::FailedTurn(failed) => {
                    let FailedTurn { call, fault, turn } = *failed;
                    Box::pin(self.handle_guest_fault(fault, Some(call))).await;
                    drop(turn);
                }
                SessionEvent::End(end) => return end,
            }
            if self.consumer.postponed_move.is_some() && !is_command {
                Box::pin(self.continue_move()).await;
                self.start_idle_timer();
            }
            // Lets other tasks run even if this session always has an event.
            consume_budget().await;
        }
    }

    /// Waits for the next event. A connection that is closing gets no further frames, messages or timers.
    async fn next_event(&mut self) -> SessionEvent<L::End> {
        if let Some(event) = self.link.take_event(&self.consumer.control) {
            return event;
        }
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Polls for the next event. Deliveries come first, so that the frames that the guest sends for several of them go
    /// out in one write; but after [`MAX_CONSECUTIVE_DELIVERIES`] the client is polled.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<L::End>> {
        if let Some(failed) = ready!(self.poll_take_back(cx)) {
            return Poll::Ready(SessionEvent::FailedTurn(failed));
        }
        let event = self.poll_sources(cx);
        if event.is_pending() {
            if self.poll_idle(cx).is_ready() {
                return Poll::Ready(SessionEvent::Idle);
            }
            self.lend_instance();
        }
        event
    }

    /// Takes the instance back that this session has lent. Returns the call of which it died, if it did.
    fn poll_take_back(&mut self, cx: &Context<'_>) -> Poll<Option<Box<FailedTurn>>> {
        let Some(resting) = &self.consumer.resting else { return Poll::Ready(None) };
        let (instance, failed) = match ready!(resting.poll_take_back(cx)) {
            TakenBack::NotLent => return Poll::Ready(None),
            TakenBack::Value(LentInstance { instance, failed }) => (Some(instance), failed),
            // A panic has dropped the instance.
            TakenBack::Lost => (None, None),
        };
        self.consumer.binding.return_instance(instance);
        Poll::Ready(failed)
    }

    /// Lends the consumer's own instance while this session waits, if messages have come for it before.
    fn lend_instance(&mut self) {
        let AcceptedConsumer { resting, binding, postponed_move, .. } = &mut self.consumer;
        if let Some(resting) = resting
            && self.has_had_message
            && postponed_move.is_none()
            && let Some(instance) = binding.take_to_lend()
        {
            resting.lend(LentInstance { instance, failed: None });
        }
    }

    /// Polls for the next event, with the instance at hand.
    fn poll_sources(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<L::End>> {
        if let Poll::Ready(event) = self.poll_read_message(cx) {
            return Poll::Ready(event);
        }
        let Self { consumer, link, next_timer, .. } = self;
        let AcceptedConsumer { control, mailbox, postponed_move, .. } = consumer;
        let is_open = match link.poll_state(control, cx) {
            LinkState::Requested(event) => return Poll::Ready(event),
            LinkState::Open => true,
            LinkState::Closing => false,
        };
        if let Some(postponed) = postponed_move
            && postponed.poll_due(cx).is_ready()
        {
            return Poll::Ready(SessionEvent::MoveDue);
        }
        let deliveries_first = self.consecutive_deliveries < MAX_CONSECUTIVE_DELIVERIES;
        if is_open
            && deliveries_first
            && let Poll::Ready(delivery) = mailbox.poll_recv(cx)
        {
            self.consecutive_deliveries += 1;
            return Poll::Ready(SessionEvent::Delivery(delivery));
        }
        self.consecutive_deliveries = 0;
        // Before the client's side writes: members that are written to together wake the peer less often.
        consumer.binding.drain_turns();
        if let Poll::Ready(event) = link.poll_client(cx) {
            self.remaining_messages = MAX_CONSECUTIVE_MESSAGES - 1;
            return Poll::Ready(event);
        }
        if is_open && let Poll::Ready(timer) = control.timers.poll_expired(cx, next_timer) {
            control.outbound.resume_task();
            return Poll::Ready(SessionEvent::Timer(timer));
        }
        if is_open && !deliveries_first {
            // The task has parked, so a delivery that it took now could be overtaken. The next poll takes it.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Polls for a further message of the last read, if the session may handle it before everything else.
    fn poll_read_message(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<L::End>> {
        if self.remaining_messages == 0 || self.consumer.postponed_move.is_some() {
            return Poll::Pending;
        }
        let polled = self.link.poll_read_message(cx);
        self.remaining_messages = if polled.is_ready() { self.remaining_messages - 1 } else { 0 };
        polled
    }

    /// Gathers the frames of the last read in one call.
    fn gather_frames(&mut self, first: Frame) -> Call {
        let id = self.consumer.id;
        // After each event, a guest that has postponed a move is asked again. Traces have a span for each event.
        if self.consumer.postponed_move.is_some() || span_enabled!(target: TRACE, Level::INFO) {
            return Call::Receive(id, first);
        }
        let mut frames = self.link.take_read_messages(MAX_CONSECUTIVE_MESSAGES - 1);
        if frames.is_empty() {
            return Call::Receive(id, first);
        }
        self.remaining_messages = 0;
        frames.push_front(first);
        Call::ReceiveMany(id, frames)
    }

    /// Calls the guest, applies the effects, and handles the result. Returns the rest of that work, if there is some to
    /// wait for. Most calls have none, so the future of an open connection has no room for it.
    fn start_call(&mut self, call: Call) -> Option<RestOfCall<'_>> {
        if self.consumer.binding.is_hibernated() {
            return Some(Box::pin(self.wake_and_call(call)));
        }
        let span = self.call_span(&call);
        match span.in_scope(|| self.consumer.binding.call(call)) {
            PendingCall::Ready(outcome) => self.end_call(outcome, &span),
            PendingCall::Running(running) => Some(Box::pin(self.finish_call(running, span))),
        }
    }

    /// Waits for a call that runs elsewhere, and ends it.
    async fn finish_call(&mut self, running: CallFuture<CallOutcome>, span: Span) {
        let outcome = self.await_running(running).await;
        if let Some(rest) = self.end_call(outcome, &span) {
            rest.await;
        }
    }

    /// Calls the guest, as [`Self::start_call`], and waits for the rest.
    pub(super) async fn call_guest(&mut self, call: Call) {
        if let Some(rest) = self.start_call(call) {
            rest.await;
        }
    }

    /// Applies the effects of a call that has returned, and handles its result.
    fn end_call(&mut self, outcome: CallOutcome, span: &Span) -> Option<RestOfCall<'_>> {
        let CallOutcome { reply: CallReply { result, rest }, effects, unapplied_call } = outcome;
        if !effects.is_empty() {
            span.in_scope(|| self.consumer.effect_applier().apply(effects));
        }
        self.link.put_back(rest);
        match result {
            Ok(reply) => {
                self.handle_reply(reply);
                None
            }
            Err(fault) => Some(Box::pin(self.handle_guest_fault(fault, unapplied_call))),
        }
    }

    /// Ends the connection if the reply blames the client.
    fn handle_reply(&mut self, reply: GuestReply) {
        let (plugin, _) = self.consumer.log_fields();
        if let Some(fault) = reply_fault(reply, &self.consumer.control, plugin) {
            self.consumer.control.outbound.fail(fault);
            self.link.discard_frames();
        }
    }

    /// Rolls the consumer back after a fault that killed its instance in a version that is watched; otherwise ends the
    /// connection.
    async fn handle_guest_fault(&mut self, fault: GuestFault, unapplied_call: Option<Call>) {
        if let GuestFault::Error(error) = &fault
            && self.link.has_peer_closed()
        {
            let (plugin, channel) = self.consumer.log_fields();
            tracing::debug!(
                plugin,
                channel,
                error,
                "the consumer failed after its client had left"
            );
            return;
        }
        if self.consumer.binding.is_dead() {
            return self.handle_dead_instance(fault, unapplied_call).await;
        }
        self.end_connection(fault);
    }

    /// After a fault that killed the consumer's own instance: rolls the consumer back, or lets another instance go on with the
    /// last checkpoint; otherwise ends the connection. `call` is the one that was interrupted.
    pub(super) async fn handle_dead_instance(&mut self, fault: GuestFault, call: Option<Call>) {
        let call = match self.roll_back_and_retry(call, &fault).await {
            Ok(()) => return,
            Err(call) => call,
        };
        if !self.restart_after(call, &fault).await {
            self.end_connection(fault);
        }
    }

    /// Ends the connection with a fault. A consumer whose instance is gone gets no `disconnect`.
    pub(super) fn end_connection(&mut self, fault: GuestFault) {
        self.consumer.fail(Fault::Guest(fault));
        if self.consumer.binding.is_dedicated() && self.consumer.binding.is_dead() {
            let version = self.consumer.binding.version().map(|version| version.digest());
            log_skipped_disconnects(self.consumer.log_fields().0, version, 1);
        }
        self.consumer.binding.drop_dead_instance();
        self.link.discard_frames();
    }

    /// The trace span of a call and its effects.
    fn call_span(&self, call: &Call) -> Span {
        let (plugin, channel) = self.consumer.log_fields();
        match call {
            Call::Receive(_, frame) => {
                let bytes = frame.len();
                info_span!(target: TRACE, "receive", plugin, channel, bytes, otel.kind = "server")
            }
            Call::Handle(_, message) => {
                let kind = message.message_type();
                info_span!(target: TRACE, "handle", plugin, channel, kind, otel.kind = "consumer")
            }
            Call::Timer(..) => info_span!(target: TRACE, "timer", plugin, channel),
            Call::Connect { .. }
            | Call::ReceiveMany(..)
            | Call::Disconnect(..)
            | Call::Discard(_) => Span::none(),
        }
    }

    /// Waits for work in the instance, and serves the client meanwhile.
    pub(super) async fn await_call<T: Send>(&mut self, pending: PendingCall<T>) -> T {
        match pending {
            PendingCall::Ready(result) => result,
            PendingCall::Running(running) => self.await_running(running).await,
        }
    }

    async fn await_running<T: Send>(&mut self, running: CallFuture<T>) -> T {
        let (result, instance) = self.link.serve_while(running).await;
        self.consumer.binding.return_instance(instance);
        result
    }
}
