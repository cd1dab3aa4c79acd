use std::task::Waker;

use super::*;

fn outbound(overflow: OverflowPolicy) -> OutboundQueue {
    OutboundQueue::new(OutboundLimits { max_queued_bytes: 10, max_frame: 20, overflow })
}

fn pending(bytes: usize) -> PendingSize {
    PendingSize { frames: 1, bytes }
}

fn text(len: usize) -> Frame {
    Frame::Text("x".repeat(len).into())
}

#[test]
fn frames_count_however_short_they_are() {
    for overflow in [OverflowPolicy::Refuse, OverflowPolicy::DropOldest] {
        let outbound = outbound(overflow);
        for _ in 0..MIN_QUEUE_FRAMES {
            assert_eq!(outbound.push(text(0)), Ok(0));
        }
        let more = outbound.push(text(0));
        assert_eq!(
            more,
            if overflow == OverflowPolicy::Refuse { Err(PushError::Full) } else { Ok(1) }
        );
    }
    let pending = PendingSize { frames: MIN_QUEUE_FRAMES, bytes: 0 };
    assert_eq!(outbound(OverflowPolicy::Refuse).check_push(pending, 0), Err(PushError::Full));
}

#[test]
fn the_bound_counts_bytes() {
    let outbound = outbound(OverflowPolicy::Refuse);
    assert_eq!(outbound.push(text(6)), Ok(0));
    assert_eq!(outbound.push(text(5)), Err(PushError::Full));
    assert_eq!(outbound.push(text(4)), Ok(0));
    assert_eq!(outbound.buffered_bytes(), 10);
}

#[test]
fn a_frame_larger_than_the_queue_is_taken_when_nothing_waits() {
    let outbound = outbound(OverflowPolicy::Refuse);
    assert_eq!(outbound.push(text(15)), Ok(0));
    assert_eq!(outbound.push(text(1)), Err(PushError::Full));
    assert_eq!(outbound.push(text(21)), Err(PushError::TooLarge(20)));
}

#[test]
fn the_policy_close_ends_the_connection_at_the_bound() {
    let outbound = outbound(OverflowPolicy::Close);
    assert_eq!(outbound.push(text(10)), Ok(0));
    assert_eq!(outbound.push(text(1)), Err(PushError::Full));
    assert!(outbound.is_closing());
    assert_eq!(outbound.push(text(1)), Err(PushError::Closed));
}

#[test]
fn the_policy_drop_oldest_makes_room_for_what_is_new() {
    let outbound = outbound(OverflowPolicy::DropOldest);
    assert_eq!(
        [4, 4, 4, 7, 15].map(|len| outbound.push(text(len))),
        [Ok(0), Ok(0), Ok(1), Ok(2), Ok(1)]
    );
    assert_eq!(outbound.buffered_bytes(), 15);
    assert_eq!(outbound.push(text(21)), Err(PushError::TooLarge(20)));
    assert_eq!(outbound.check_push(pending(100), 20), Ok(()));
    assert!(!outbound.is_closing());
}

#[test]
fn the_first_to_close_decides_the_code() {
    let outbound = outbound(OverflowPolicy::Close);
    outbound.close(CloseFrame::new(4000, "bye"));
    outbound.close(CloseFrame::new(4001, "late"));
    let found = outbound.take_status();
    assert_eq!(found.closing.map(|(closure, _)| closure.code), Some(4000));
}

#[test]
fn a_probe_counts_what_the_call_has_sent_already() {
    let outbound = outbound(OverflowPolicy::Close);
    assert_eq!(outbound.check_push(pending(6), 4), Ok(()));
    assert_eq!(outbound.check_push(pending(6), 5), Err(PushError::Full));
    assert!(!outbound.is_closing());
}

/// What is taken by a connection whose plugin has said enough.
fn taken_mute(outbound: &OutboundQueue) -> Vec<String> {
    let cx = Context::from_waker(Waker::noop());
    let next = std::iter::from_fn(|| outbound.pop_item(&cx, true, true));
    let text = |next| match next {
        OutboundItem::Frame(frame) => format!("{} bytes", frame.len()),
        OutboundItem::Close(closure, _) => closure.code.to_string(),
    };
    next.map(text).collect()
}

#[test]
fn no_rate_withholds_a_close_and_what_was_said_before_it() {
    let outbound = outbound(OverflowPolicy::Close);
    outbound.push(Frame::Binary(vec![0; 3].into())).unwrap();
    assert!(taken_mute(&outbound).is_empty());
    outbound.close(CloseFrame::new(4000, "bye"));
    assert_eq!(taken_mute(&outbound), ["3 bytes", "4000"]);
    assert_eq!(outbound.buffered_bytes(), 0);
}

#[test]
fn what_is_too_much_for_a_rate_is_not_said_before_the_close() {
    let outbound = outbound(OverflowPolicy::Close);
    outbound.push(Frame::Binary(vec![0; 8].into())).unwrap();
    assert_eq!(outbound.push(Frame::Binary(vec![0; 8].into())), Err(PushError::Full));
    assert_eq!(taken_mute(&outbound), ["1013"]);
    assert_eq!(outbound.buffered_bytes(), 0);
}

#[test]
fn what_waits_is_not_in_the_way_of_what_fits_alone() {
    let outbound = outbound(OverflowPolicy::Refuse);
    assert_eq!(outbound.push(text(10)), Ok(0));
    assert_eq!(outbound.check_push(pending(6), 4), Err(PushError::Full));
    assert!(outbound.fits_when_empty(pending(6), 4));
    assert!(!outbound.fits_when_empty(pending(6), 5));
    assert!(!outbound.fits_when_empty(PendingSize { frames: MIN_QUEUE_FRAMES, bytes: 0 }, 0));
}
