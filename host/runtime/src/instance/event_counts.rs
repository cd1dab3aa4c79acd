//! The counts of the events of an instance.

use std::sync::Arc;

use super::consumer_instance::Instance;
use crate::call::{Call, GuestReply};
use narrowboat_core::fault::GuestFault;

impl Instance {
    /// Counts the client of a call, if the version tracks its clients.
    pub(super) fn count_client(
        &mut self,
        call: &Call,
        result: &Result<GuestReply, GuestFault>,
        violation: Option<&GuestFault>,
    ) {
        let clients = self.store.version().stats.clients();
        let is_event = !call.ends_consumer() && !matches!(result, Err(GuestFault::InstanceLost));
        if !is_event || !clients.is_tracking() {
            return;
        }
        let clients = Arc::clone(clients);
        let has_failed = result.is_err() || violation.is_some();
        let is_accepted = result.as_ref().is_ok_and(|reply| reply.created_consumer().is_some());
        match call {
            // The connection is no longer in the table of the instance.
            Call::Connect { scope, .. } if !is_accepted => {
                clients.record_rejected(scope.client.ip(), has_failed);
            }
            _ => {
                let connections = &mut self.store.data_mut().connections;
                connections.count_client(&clients, is_accepted, has_failed);
            }
        }
    }

    /// Counts events of a batch: those that have ended, and one more if it killed the instance.
    pub(super) fn record_events(&mut self, ended_count: usize, has_died: bool) {
        let begun_count = ended_count + usize::from(has_died);
        self.store.version().stats.record_events(begun_count as u64);
        self.event_count += ended_count as u64;
    }

    /// Counts a message of a type that the guest does not know.
    pub(super) fn record_unknown_type(&self, call: &Call) {
        if let Call::Handle(_, message) = call {
            self.store.version().record_unknown_message(message.message_type());
        }
    }

    /// Counts the result of an event in the stats of the version.
    pub(super) fn record_result(
        &self,
        result: &Result<GuestReply, GuestFault>,
        violation: Option<GuestFault>,
    ) {
        let version = self.store.version();
        match result {
            Err(GuestFault::InstanceLost) => {}
            Err(fault) => version.stats.record_fault(fault),
            Ok(GuestReply::ClientError(_) | GuestReply::ErrorAfterRefusedSend(_)) => {
                version.stats.record_client_error();
            }
            Ok(_) => {}
        }
        if let (Ok(_), Some(fault)) = (result, violation) {
            version.stats.record_fault(&fault);
        }
    }
}
