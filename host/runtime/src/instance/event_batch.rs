//! Several events in one call of an instance.

use std::collections::VecDeque;

use super::consumer_instance::Instance;
use crate::bindings::batching_world::exports::narrowboat::consumer::batches::Event as GuestEvent;
use crate::call::{Call, ConnectionId, GuestReply};
use crate::store::BatchProgress;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::frame::Frame;

/// The end of a batch of events.
#[derive(Debug)]
pub struct BatchEnd {
    /// The events that have ended. Those behind them have not happened. If the instance has died, the first of these
    /// killed it, and has no effects.
    pub ended_count: usize,
    /// The result of the last event that ended, or killed the instance. All others were handled.
    pub result: Result<GuestReply, GuestFault>,
}

impl Instance {
    /// Brings frames of a client to its consumer, and removes those whose events have ended. A frame that kills the
    /// instance stays.
    pub(super) fn receive_many(
        &mut self,
        id: ConnectionId,
        frames: &mut VecDeque<Frame>,
    ) -> Result<GuestReply, GuestFault> {
        let rest = frames.split_off(self.events_before_checkpoint().min(frames.len()));
        let result = self.receive_before_checkpoint(id, frames);
        frames.extend(rest);
        result
    }

    fn receive_before_checkpoint(
        &mut self,
        id: ConnectionId,
        frames: &mut VecDeque<Frame>,
    ) -> Result<GuestReply, GuestFault> {
        if frames.len() < 2 || !self.handles_batches() {
            return self.receive_in_turn(id, frames);
        }
        let events = frames.iter().map(|frame| (id, GuestEvent::Receive(frame.into()))).collect();
        let BatchEnd { ended_count, result } = self.run_batch(events, |_| None);
        frames.drain(..ended_count);
        result
    }

    /// Calls the guest for each frame, up to the first that does not let the next one begin.
    fn receive_in_turn(
        &mut self,
        id: ConnectionId,
        frames: &mut VecDeque<Frame>,
    ) -> Result<GuestReply, GuestFault> {
        loop {
            let Some(frame) = frames.pop_front() else { return Ok(GuestReply::Done) };
            let call = Call::Receive(id, frame);
            let (result, goes_on) = self.call_in_turn(&call, (!frames.is_empty()).then_some(id));
            if self.is_dead()
                && let Call::Receive(_, frame) = call
            {
                frames.push_front(frame);
            }
            if !goes_on {
                return result;
            }
        }
    }

    /// Brings events to consumers, in order. Handshakes and ends of consumers come alone.
    pub fn call_many(&mut self, calls: &[Call]) -> BatchEnd {
        if let Err(fault) = self.keep_checkpoint() {
            return BatchEnd { ended_count: 0, result: Err(fault) };
        }
        let calls = &calls[..self.events_before_checkpoint().min(calls.len())];
        if calls.len() < 2 || !self.handles_batches() {
            return self.call_each_in_turn(calls);
        }
        match calls.iter().map(event_of).collect() {
            Some(events) => self.run_batch(events, |event| calls.get(event)),
            None => self.call_each_in_turn(calls),
        }
    }

    /// Calls the guest for each event, up to the first that does not let the next one begin.
    fn call_each_in_turn(&mut self, calls: &[Call]) -> BatchEnd {
        let mut ended_count = 0;
        loop {
            let Some(call) = calls.get(ended_count) else {
                return BatchEnd { ended_count, result: Ok(GuestReply::Done) };
            };
            let next = calls.get(ended_count + 1).and_then(Call::consumer);
            let (result, goes_on) = self.call_in_turn(call, next);
            ended_count += usize::from(!self.is_dead());
            if !goes_on {
                return BatchEnd { ended_count, result };
            }
        }
    }

    /// Calls the guest for one event. Returns whether the event of `next` may follow without a look at anything else.
    fn call_in_turn(
        &mut self,
        call: &Call,
        next: Option<ConnectionId>,
    ) -> (Result<GuestReply, GuestFault>, bool) {
        let (result, has_violated) = self.call_once(call);
        let is_handled = matches!(result, Ok(GuestReply::Done | GuestReply::UnknownType));
        let goes_on = is_handled && !has_violated && self.store.data_mut().end_event(next);
        (result, goes_on)
    }

    /// Whether the guest takes several events in one call. It gets one at a time while clients are counted by their
    /// events, and if it may wait in an import, which has a time limit for each call.
    fn handles_batches(&self) -> bool {
        let version = self.version();
        self.batches.is_some()
            && !version.stats.clients().is_tracking()
            && !version.ctx.capabilities.may_wait_on_io()
    }

    /// Calls the guest for several events. `call_of` returns the call of an event that is a message.
    fn run_batch<'a>(
        &mut self,
        events: Vec<(ConnectionId, GuestEvent<'_>)>,
        call_of: impl Fn(usize) -> Option<&'a Call>,
    ) -> BatchEnd {
        let connections = &self.store.data().connections;
        let with_consumer = events.into_iter().map_while(|(id, event)| {
            connections.consumer(id).map(|consumer| (id, (consumer, event)))
        });
        let (ids, params): (Vec<_>, Vec<_>) = with_consumer.unzip();
        if ids.is_empty() {
            return BatchEnd { ended_count: 1, result: Err(GuestFault::InstanceLost) };
        }
        let result = self.call_batch(ids, &params);
        let batch = self.store.data_mut().take_batch();
        self.end_batch(result, batch, call_of)
    }

    fn call_batch(
        &mut self,
        ids: Vec<ConnectionId>,
        params: &[(wasmtime::component::ResourceAny, GuestEvent<'_>)],
    ) -> Result<(), GuestFault> {
        let Self { store, batches, .. } = self;
        let Some(guest) = batches else { return Err(GuestFault::InstanceLost) };
        store.data_mut().begin_batch(ids);
        store.call_with_deadline(|_, store| {
            guest.call_run(&mut *store, params)?;
            store.data().check_batch_end()
        })
    }

    /// Counts the events of a batch, and returns its end.
    fn end_batch<'a>(
        &mut self,
        result: Result<(), GuestFault>,
        batch: Option<BatchProgress>,
        call_of: impl Fn(usize) -> Option<&'a Call>,
    ) -> BatchEnd {
        let has_trapped = result.is_err();
        let ended_count = batch.as_ref().map_or(0, |batch| batch.ended_count(has_trapped));
        self.record_events(ended_count, has_trapped);
        let unknown_types = batch.iter().flat_map(BatchProgress::unknown_types);
        for message in unknown_types.filter_map(|event| call_of(*event)) {
            self.record_unknown_type(message);
        }
        let violation = self.store.data_mut().take_contract_violation();
        let last = batch.and_then(BatchProgress::into_last_result);
        let result = match (result, last) {
            (Err(fault), _) => Err(fault),
            (Ok(()), None) => Err(GuestFault::InstanceLost),
            (Ok(()), Some((id, last))) => self.convert_result(id, last.map(GuestReply::from)),
        };
        self.record_result(&result, violation);
        BatchEnd { ended_count, result }
    }
}

/// The event of a call that a batch may contain.
fn event_of(call: &Call) -> Option<(ConnectionId, GuestEvent<'_>)> {
    match call {
        Call::Receive(id, frame) => Some((*id, GuestEvent::Receive(frame.into()))),
        Call::Handle(id, message) => Some((*id, GuestEvent::Handle(message.bytes()))),
        Call::Timer(id, timer) => Some((*id, GuestEvent::Timer(*timer))),
        Call::Connect { .. } | Call::ReceiveMany(..) | Call::Disconnect(..) | Call::Discard(_) => {
            None
        }
    }
}
