use std::task::Waker;

use super::*;
use crate::connection::outbound_limits::MIN_QUEUE_FRAMES;
use narrowboat_core::handshake_response::{Acceptance, HostRejection};

fn queue(overflow: OverflowPolicy) -> OutboundQueue {
    OutboundQueue::new(OutboundLimits { max_queued_bytes: 10, max_frame: 20, overflow })
}

fn pending(bytes: usize) -> PendingSize {
    PendingSize { frames: 1, bytes }
}

fn text(len: usize) -> Frame {
    Frame::Text("x".repeat(len).into())
}

#[test]
fn a_queue_limits_the_number_of_empty_frames() {
    for overflow in [OverflowPolicy::Refuse, OverflowPolicy::DropOldest] {
        let queue = queue(overflow);
        for _ in 0..MIN_QUEUE_FRAMES {
            assert_eq!(queue.push(text(0)), Ok(0));
        }
        assert_eq!(
            queue.push(text(0)),
            if overflow == OverflowPolicy::Refuse { Err(PushError::Full) } else { Ok(1) }
        );
    }
    let pending = PendingSize { frames: MIN_QUEUE_FRAMES, bytes: 0 };
    assert_eq!(queue(OverflowPolicy::Refuse).check_push(pending, 0), Err(PushError::Full));
}

#[test]
fn a_queue_limits_its_bytes() {
    let queue = queue(OverflowPolicy::Refuse);
    assert_eq!(queue.push(text(6)), Ok(0));
    assert_eq!(queue.push(text(5)), Err(PushError::Full));
    assert_eq!(queue.push(text(4)), Ok(0));
    assert_eq!(queue.buffered_bytes(), 10);
}

#[test]
fn an_empty_queue_accepts_a_frame_larger_than_its_limit() {
    let queue = queue(OverflowPolicy::Refuse);
    assert_eq!(queue.push(text(15)), Ok(0));
    assert_eq!(queue.push(text(1)), Err(PushError::Full));
    assert_eq!(queue.push(text(21)), Err(PushError::TooLarge(20)));
}

#[test]
fn the_policy_close_closes_the_connection_on_overflow() {
    let queue = queue(OverflowPolicy::Close);
    assert_eq!(queue.push(text(10)), Ok(0));
    assert_eq!(queue.push(text(1)), Err(PushError::Full));
    assert!(queue.is_closing());
    assert_eq!(queue.push(text(1)), Err(PushError::Closed));
}

#[test]
fn the_policy_drop_oldest_drops_old_frames_for_a_new_one() {
    let queue = queue(OverflowPolicy::DropOldest);
    assert_eq!(
        [4, 4, 4, 7, 15].map(|len| queue.push(text(len))),
        [Ok(0), Ok(0), Ok(1), Ok(2), Ok(1)]
    );
    assert_eq!(queue.buffered_bytes(), 15);
    assert_eq!(queue.push(text(21)), Err(PushError::TooLarge(20)));
    assert_eq!(queue.check_push(pending(100), 20), Ok(()));
    assert!(!queue.is_closing());
}

#[test]
fn the_first_close_decides_the_code() {
    let queue = queue(OverflowPolicy::Close);
    queue.close(CloseFrame::new(4000, "bye"));
    queue.close(CloseFrame::new(4001, "late"));
    let request = queue.take_status().close_request.unwrap();
    assert_eq!(request.close_frame.code, 4000);
}

#[test]
fn check_push_counts_pending_frames() {
    let queue = queue(OverflowPolicy::Close);
    assert_eq!(queue.check_push(pending(6), 4), Ok(()));
    assert_eq!(queue.check_push(pending(6), 5), Err(PushError::Full));
    assert!(!queue.is_closing());
}

/// Takes the items that a connection gets while its plugin exceeds a rate limit.
fn pop_throttled(queue: &OutboundQueue) -> Vec<String> {
    let cx = Context::from_waker(Waker::noop());
    let items =
        std::iter::from_fn(|| queue.pop_item(&cx, true, RateState::Exceeded, RestState::Idle));
    let describe = |item| match item {
        OutboundItem::Frame(frame) => format!("{} bytes", frame.len()),
        OutboundItem::Close(request) => request.close_frame.code.to_string(),
    };
    items.map(describe).collect()
}

#[test]
fn a_rate_limit_does_not_delay_a_close_and_the_frames_before_it() {
    let queue = queue(OverflowPolicy::Close);
    queue.push(Frame::Binary(vec![0; 3].into())).unwrap();
    assert!(pop_throttled(&queue).is_empty());
    queue.close(CloseFrame::new(4000, "bye"));
    assert_eq!(pop_throttled(&queue), ["3 bytes", "4000"]);
    assert_eq!(queue.buffered_bytes(), 0);
}

#[test]
fn an_overflow_drops_the_frames_before_the_close() {
    let queue = queue(OverflowPolicy::Close);
    queue.push(Frame::Binary(vec![0; 8].into())).unwrap();
    assert_eq!(queue.push(Frame::Binary(vec![0; 8].into())), Err(PushError::Full));
    assert_eq!(pop_throttled(&queue), ["1013"]);
    assert_eq!(queue.buffered_bytes(), 0);
}

#[test]
fn fits_when_empty_ignores_queued_frames() {
    let queue = queue(OverflowPolicy::Refuse);
    assert_eq!(queue.push(text(10)), Ok(0));
    assert_eq!(queue.check_push(pending(6), 4), Err(PushError::Full));
    assert!(queue.fits_when_empty(pending(6), 4));
    assert!(!queue.fits_when_empty(pending(6), 5));
    assert!(!queue.fits_when_empty(PendingSize { frames: MIN_QUEUE_FRAMES, bytes: 0 }, 0));
}

#[test]
fn an_empty_frame_is_pending_until_it_is_taken() {
    let queue = queue(OverflowPolicy::Refuse);
    assert!(!queue.has_pending());
    queue.push(text(0)).unwrap();
    assert!(queue.has_pending());
    queue
        .pop_item(&Context::from_waker(Waker::noop()), true, RateState::Within, RestState::Idle)
        .unwrap();
    assert!(!queue.has_pending());
}

fn accept() -> LateDecision {
    LateDecision::Accept(Acceptance::default())
}

fn reject() -> LateDecision {
    LateDecision::Reject(HostRejection::NoRoute.into())
}

/// Polls an undecided handshake, and describes its event. `None` if there is none.
fn poll_handshake(queue: &OutboundQueue) -> Option<String> {
    match queue.poll_handshake(&Context::from_waker(Waker::noop())) {
        Poll::Ready(HandshakeEvent::Closed(close, _)) => Some(close.code.to_string()),
        Poll::Ready(event) => Some(format!("{event:?}").chars().take(14).collect()),
        Poll::Pending => None,
    }
}

#[test]
fn a_decision_comes_before_a_close_which_is_left_to_the_open_connection() {
    let queue = queue(OverflowPolicy::Close);
    assert_eq!(poll_handshake(&queue), None);
    queue.close(CloseFrame::new(4000, "bye"));
    queue.decide_handshake(accept());
    assert_eq!(poll_handshake(&queue).as_deref(), Some("Decided(Accept"));
    assert_eq!(queue.take_status().close_request.unwrap().close_frame.code, 4000);
}

#[test]
fn a_close_ends_a_handshake_without_a_decision() {
    let queue = queue(OverflowPolicy::Close);
    queue.signal_command();
    queue.close(CloseFrame::new(4000, "bye"));
    assert_eq!(poll_handshake(&queue).as_deref(), Some("4000"));
}

#[test]
fn a_handshake_gets_the_signals_of_other_tasks() {
    let queue = queue(OverflowPolicy::Close);
    queue.signal_command();
    queue.signal_stop();
    assert_eq!(poll_handshake(&queue).as_deref(), Some("Stop"));
    assert_eq!(poll_handshake(&queue).as_deref(), Some("CommandPending"));
    assert_eq!(poll_handshake(&queue), None);
}

#[test]
fn a_decision_about_an_open_connection_has_no_effect_unless_its_consumer_was_restarted() {
    let queue = queue(OverflowPolicy::Close);
    queue.end_handshake();
    queue.decide_handshake(reject());
    assert!(!queue.is_closing());
    queue.reopen_handshake();
    queue.decide_handshake(reject());
    assert_eq!(queue.take_status().close_request.unwrap().close_frame.code, 1008);
}
