//! The calls of the plugin and the events between them.

use super::{
    consumer_instance::{ConsumerInstance, EventResult},
    current_instance::InstanceId,
    instance_thread::InstanceThread,
    native_connection::{ConnectionId, Stage},
    native_host::NativeHost,
    native_layer::{Delivery, Receiver},
    timer_queue::TimerKind,
};
use crate::{
    bindings::narrowboat::consumer::types,
    close_frame::CloseFrame,
    log::Level,
    message,
    testing::{ChannelEvent, LogLine, Rejection},
};

/// The most events that may follow one operation of a test.
const MAX_EVENTS: usize = 20_000;

/// The code of an instance with consumers.
type Consumers = dyn ConsumerInstance + 'static;

/// Something that waits until the running call has ended.
#[derive(Debug)]
pub(super) enum Event {
    /// A message or a frame for a channel.
    Delivery(String, Delivery),
    /// The end of a connection, with the code that its consumer gets.
    End(ConnectionId, CloseFrame),
}

impl NativeHost {
    /// Handles events until none is left.
    ///
    /// # Errors
    /// The plugin does not stop.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MAX_EVENTS {
            if let Some(event) = self.events.pop_front() {
                self.handle_event(event);
                continue;
            }
            let now = self.state().elapsed;
            match self.timers.pop_due(now) {
                Some((connection, kind)) => self.fire(connection, kind),
                None if self.handle_due_alarm() => {}
                None => return Ok(()),
            }
        }
        Err(format!(
            "the plugin is still busy after {MAX_EVENTS} events: does a message or a timer of 0 ms cause the next one \
             without an end?"
        ))
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Delivery(channel, delivery) => self.deliver(&channel, delivery),
            Event::End(id, close) => {
                self.call_disconnect(id, &close);
                self.forget(id, Stage::Ended);
            }
        }
    }

    fn deliver(&mut self, channel: &str, delivery: Delivery) {
        match (self.layer.receiver_mut(channel), delivery) {
            (Some(Receiver::Test(events)), Delivery::Message(message)) => {
                events.push_back(ChannelEvent::message(message));
            }
            (Some(Receiver::Test(events)), Delivery::Frame(frame)) => {
                events.push_back(ChannelEvent::frame(frame));
            }
            (Some(Receiver::Connection(id)), Delivery::Message(message)) => {
                let id = *id;
                let name = message::message_type(&message).unwrap_or_default();
                let event = move |consumers: &mut Consumers| consumers.handle(id, &message);
                if self.run_event(id, event) == Some(types::Handling::UnknownType) {
                    report_unknown_type(&name);
                }
            }
            (Some(Receiver::Connection(id)), Delivery::Frame(frame)) => {
                let id = *id;
                let _ = self.with_connection(id, |connection| {
                    if connection.is_live() {
                        connection.outgoing.push_back(frame);
                    }
                });
            }
            (Some(Receiver::Worker(index)), Delivery::Message(message)) => {
                let index = *index;
                self.call_worker(index, channel, message);
            }
            // A worker has no socket, and a message to a channel that is closed is lost.
            (Some(Receiver::Worker(_)), Delivery::Frame(_)) | (None, _) => {}
        }
    }

    fn fire(&mut self, id: ConnectionId, kind: TimerKind) {
        match kind {
            TimerKind::Consumer(timer) => {
                self.run_event(id, move |consumers| consumers.timer(id, timer));
            }
            TimerKind::Handshake => {
                self.call_disconnect(id, &CloseFrame::abnormal());
                let text = "the handshake took too long; try again later";
                self.end_rejected(id, Rejection::of_host(503, text));
            }
        }
    }

    /// Runs an event of a consumer whose connection is not closing, applies its effects, and handles its error. Returns
    /// the result of an event that was handled.
    pub(super) fn run_event(
        &mut self,
        id: ConnectionId,
        event: impl FnOnce(&mut Consumers) -> EventResult + Send + 'static,
    ) -> Option<types::Handling> {
        let instance = self.with_connection(id, |connection| {
            connection.was_send_refused = false;
            connection.is_live().then_some(connection.instance)
        });
        let result = self.call_consumers(instance.ok().flatten()?, event)?;
        self.apply_effects();
        match result {
            Ok(handling) => return Some(handling),
            Err(types::Error::Client(error)) => self.blame_client(id, error),
            Err(types::Error::Plugin(text)) => {
                let was_refused = self.with_connection(id, |it| it.was_send_refused);
                // A connection that is closing accepts no frame, and an error about that is not a fault.
                if was_refused != Ok(true) {
                    self.fail(id, format!("returned an error: {text}"));
                }
            }
        }
        None
    }

    fn blame_client(&mut self, id: ConnectionId, error: types::ClientError) {
        let types::ClientError { code, reason } = error;
        if matches!(code, 1007 | 4000..=4999) && reason.len() <= 123 {
            return self.close(id, CloseFrame { code, reason });
        }
        self.fail(
            id,
            format!(
                "broke the contract: blamed its client with {code}, {reason:?}: the code must be 1007 or 4000 to 4999, \
                 and the reason at most 123 bytes long"
            ),
        );
    }

    /// Calls an instance with consumers. `None` if it panicked: its effects are dropped, and its connections end.
    pub(super) fn call_consumers<R: Send + 'static>(
        &mut self,
        instance: InstanceId,
        call: impl FnOnce(&mut Consumers) -> R + Send + 'static,
    ) -> Option<R> {
        // A destructor of an instance that has ended may have left effects.
        self.state().effects.clear();
        let thread = self.consumers.get(&instance)?;
        match thread.call(call) {
            Ok(result) => Some(result),
            Err(panic) => {
                self.handle_panic(&panic);
                self.end_connections_of(instance);
                None
            }
        }
    }

    fn call_worker(&mut self, index: usize, channel: &str, message: Vec<u8>) {
        if !self.workers.contains_key(&index) {
            let id = self.next_instance_id();
            let create = self.code.workers[index].create;
            match InstanceThread::start(self.shared_state(), id, create) {
                Ok(thread) => _ = self.workers.insert(index, thread),
                Err(error) => return self.record_fault(error),
            }
        }
        let name = channel.to_owned();
        let message_type = message::message_type(&message).unwrap_or_default();
        match self.workers[&index].call(move |worker| worker.handle(&name, &message)) {
            Ok(result) => {
                self.apply_effects();
                match result {
                    Ok(types::Handling::Handled) => {}
                    Ok(types::Handling::UnknownType) => report_unknown_type(&message_type),
                    Err(text) => self.record_fault(format!("returned an error: {text}")),
                }
            }
            Err(panic) => {
                self.handle_panic(&panic);
                self.workers.remove(&index);
            }
        }
    }

    /// Drops the effects of the call that panicked, and records the fault.
    fn handle_panic(&mut self, panic: &str) {
        let mut state = self.state();
        state.effects.clear();
        let (context, message) = ("panic".to_owned(), panic.to_owned());
        state.logs.push(LogLine { level: Level::Critical, context, message });
        drop(state);
        self.record_fault(format!("trap: panic: {panic}"));
    }

    pub(super) fn record_fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Ends the connections of an instance that no longer exists. Their consumers get no `disconnect`.
    fn end_connections_of(&mut self, instance: InstanceId) {
        self.consumers.remove(&instance);
        self.state().replace_instance(instance, None);
        let ids: Vec<_> = {
            let state = self.state();
            let connections = state.connections.iter();
            let own = connections.filter(|(_, it)| it.instance == instance && it.is_present());
            own.map(|(id, _)| *id).collect()
        };
        for id in ids {
            self.close(id, CloseFrame { code: 1011, reason: "consumer failed".to_owned() });
        }
    }

    /// Calls the `disconnect` of a consumer, if it exists, and applies its effects.
    pub(super) fn call_disconnect(&mut self, id: ConnectionId, close: &CloseFrame) {
        let closure = types::Closure { code: close.code, reason: close.reason.clone() };
        let instance = self.with_connection(id, |connection| {
            connection.is_closing = true;
            connection.instance
        });
        let Ok(instance) = instance else { return };
        if self
            .call_consumers(instance, move |consumers| consumers.disconnect(id, closure))
            .is_some()
        {
            self.apply_effects();
        }
    }
}

/// Tells the author of a test about a message that had no effect. The host logs it too, but not as a line of the plugin.
#[expect(clippy::print_stderr, reason = "the test harness captures it")]
fn report_unknown_type(name: &str) {
    eprintln!("narrowboat: ignored a message of the unknown type {name:?}");
}
