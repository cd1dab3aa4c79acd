//! A handshake whose consumer decides later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tracing::Instrument;

use super::accepted_consumer::AcceptedConsumer;
use super::pending_call::CallFuture;
use super::session::Session;
use super::session_link::{LinkState, SessionEvent, SessionLink};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{ClientFault, Fault, GuestFault, HostFault};
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, HostRejection, Rejection};
use narrowboat_runtime::Instance;
use narrowboat_websocket::connection::{ConnectionHandle, HandshakeEvent, LateDecision};

/// The response to a handshake, which is not checked yet. An acceptance comes with its consumer.
pub(super) type LateResponse = Result<(Acceptance, Box<AcceptedConsumer>), Rejection>;

/// The client's side of a session whose handshake is undecided: there is no socket yet.
struct UndecidedHandshake;

/// Why the session of an undecided handshake has ended.
enum HandshakeEnd {
    Decided(LateDecision),
    /// The connection was closed before the decision, because of the fault if there is one.
    Closed(CloseFrame, Option<Fault>),
    Shutdown,
}

impl SessionLink for UndecidedHandshake {
    type End = HandshakeEnd;

    fn take_event(&mut self, _control: &ConnectionHandle) -> Option<SessionEvent<HandshakeEnd>> {
        None
    }

    fn poll_state(
        &mut self,
        control: &ConnectionHandle,
        cx: &mut Context<'_>,
    ) -> LinkState<HandshakeEnd> {
        match control.outbound.poll_handshake(cx) {
            Poll::Ready(event) => LinkState::Requested(event.into()),
            Poll::Pending => LinkState::Open,
        }
    }

    fn poll_client(&mut self, _cx: &mut Context<'_>) -> Poll<SessionEvent<HandshakeEnd>> {
        Poll::Pending
    }

    fn poll_read_message(&mut self, _cx: &mut Context<'_>) -> Poll<SessionEvent<HandshakeEnd>> {
        Poll::Pending
    }

    fn take_read_messages(&mut self, _max: usize) -> VecDeque<Frame> {
        VecDeque::new()
    }

    /// Drops them: a client whose handshake is undecided cannot send frames.
    fn put_back(&mut self, _frames: VecDeque<Frame>) {}

    async fn serve_while<T: Send>(&mut self, work: CallFuture<T>) -> (T, Option<Box<Instance>>) {
        work.await
    }

    fn has_peer_closed(&self) -> bool {
        false
    }

    fn discard_frames(&mut self) {}
}

impl From<HandshakeEvent> for SessionEvent<HandshakeEnd> {
    fn from(event: HandshakeEvent) -> Self {
        match event {
            HandshakeEvent::Decided(decision) => Self::End(HandshakeEnd::Decided(decision)),
            HandshakeEvent::Closed(close, fault) => Self::End(HandshakeEnd::Closed(close, fault)),
            HandshakeEvent::Stop => Self::End(HandshakeEnd::Shutdown),
            HandshakeEvent::CommandPending => Self::Command,
        }
    }
}

/// Closes the connection of a handshake that is dropped before its decision, so that its session ends.
struct CloseOnAbandon(Option<Arc<ConnectionHandle>>);

impl Drop for CloseOnAbandon {
    fn drop(&mut self) {
        if let Some(control) = self.0.take() {
            control.outbound.close(CloseFrame::abnormal());
        }
    }
}

/// Waits until the consumer decides its handshake. Its session runs on a task of its own, so that a handshake that is
/// dropped does not drop a call of the guest. Dropping the future ends that session: the consumer's `disconnect` is
/// called with 1006.
pub(super) async fn wait_for_decision(consumer: AcceptedConsumer) -> LateResponse {
    let mut abandoned = CloseOnAbandon(Some(Arc::clone(&consumer.control)));
    let (reply, response) = oneshot::channel();
    tokio::spawn(run_until_decided(consumer, reply).in_current_span());
    let response = response.await;
    abandoned.0 = None;
    // Without a response a panic has ended the session.
    response.unwrap_or_else(|_| Err(HostRejection::ConsumerFailed.into()))
}

/// Runs the session until the consumer decides, or until its handshake ends without a decision.
async fn run_until_decided(consumer: AcceptedConsumer, reply: oneshot::Sender<LateResponse>) {
    let mut session = Session::new(consumer, UndecidedHandshake);
    let end = session.run().await;
    let Session { mut consumer, .. } = session;
    // A response that is not received was for a handshake that has been dropped.
    match end {
        HandshakeEnd::Decided(LateDecision::Accept(acceptance)) => {
            let _ = reply.send(Ok((acceptance, Box::new(consumer))));
        }
        HandshakeEnd::Decided(LateDecision::Reject(rejection)) => {
            let _ = reply.send(Err(rejection));
            // Nothing that other consumers send to the connection can arrive any more.
            consumer.control.outbound.close(CloseFrame::abnormal());
            consumer.discard().await;
        }
        HandshakeEnd::Closed(close, fault) => {
            if let Some(fault @ Fault::Client(_)) = &fault {
                consumer.log_fault(fault);
            }
            let _ = reply.send(Err(rejection_for(&close, fault.as_ref()).into()));
            consumer.disconnect(close).await;
        }
        HandshakeEnd::Shutdown => {
            let _ = reply.send(Err(HostRejection::HandshakeEnded.into()));
            consumer.disconnect(Fault::Host(HostFault::ShuttingDown).close_frame()).await;
        }
    }
}

/// The response to a handshake whose connection was closed before the decision.
fn rejection_for(close: &CloseFrame, fault: Option<&Fault>) -> HostRejection<'static> {
    match fault {
        Some(Fault::Guest(GuestFault::QuotaExceeded(_))) => HostRejection::QuotaExceeded,
        Some(Fault::Guest(_)) => HostRejection::ConsumerFailed,
        Some(Fault::Client(ClientFault::ReportedByConsumer(_))) => HostRejection::ClosedByConsumer,
        None if CloseFrame::is_allowed_for_consumer(close.code, &close.reason) => {
            HostRejection::ClosedByConsumer
        }
        Some(Fault::Client(_) | Fault::Host(_)) | None => HostRejection::HandshakeEnded,
    }
}
