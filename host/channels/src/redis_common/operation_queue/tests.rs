//! Tests of the queue of operations.

use tokio::time::Instant;

use super::*;
use crate::redis_common::{BarrierSender, BatchItem, LeaseRequest, OperationKind};

/// An operation of a test: a message of one byte, or a membership with a key.
#[derive(Debug, PartialEq, Eq)]
enum Op {
    Message(u32),
    Begins(&'static str),
    Ends(&'static str),
    Confirm,
}

use Op::{Begins, Ends};

impl QueueOperation for Op {
    type Key = &'static str;

    fn key(&self) -> Option<&'static str> {
        match self {
            Begins(key) | Ends(key) => Some(key),
            Self::Message(_) | Self::Confirm => None,
        }
    }

    fn is_restorable(&self) -> bool {
        matches!(self, Begins(_))
    }

    fn payload_bytes(&self) -> usize {
        usize::from(matches!(self, Self::Message(_)))
    }

    fn sent_at(&self) -> Option<Instant> {
        None
    }

    fn kind(&self) -> OperationKind {
        match self {
            Self::Message(_) => OperationKind::Message,
            Begins(_) | Ends(_) => OperationKind::Membership,
            Self::Confirm => OperationKind::Other,
        }
    }

    fn from_barrier(_: BarrierSender) -> Self {
        Self::Confirm
    }

    fn from_lease_request(_: LeaseRequest) -> Self {
        Self::Confirm
    }
}

/// Returns the operations of a batch, and drops it without carrying them out.
fn operations_of(mut batch: OperationBatch<'_, Op>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(next) = batch.next() {
        all.push(match next {
            BatchItem::Membership(op) => format!("{op:?}"),
            BatchItem::Other(op) => format!("{op:?}"),
        });
    }
    all
}

/// Fills a queue with messages, and returns their number.
fn fill(queue: &OperationQueue<Op>) -> usize {
    (0..).find(|_| queue.push(Op::Message(0)).is_err()).unwrap()
}

/// Takes all operations and marks them as written.
fn drain(queue: &OperationQueue<Op>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut batch = queue.try_next_batch();
        if batch.is_empty() {
            return all;
        }
        while let Some(next) = batch.next() {
            all.push(match next {
                BatchItem::Membership(op) => format!("{op:?}"),
                BatchItem::Other(op) => format!("{op:?}"),
            });
        }
        batch.mark_written();
    }
}

#[test]
fn rest_of_a_dropped_batch_goes_back_in_order() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    for op in [Op::Message(1), Ends("a"), Op::Message(2), Ends("b"), Op::Message(3)] {
        queue.push(op).unwrap();
    }
    let mut batch = queue.try_next_batch();
    assert!(matches!(batch.next(), Some(BatchItem::Other(Op::Message(1)))));
    assert!(matches!(batch.next(), Some(BatchItem::Membership(Ends("a")))));
    drop(batch);
    queue.push(Op::Message(4)).unwrap();
    let all = ["Ends(\"a\")", "Message(2)", "Ends(\"b\")", "Message(3)", "Message(4)"];
    assert_eq!(drain(&queue), all);
    assert_eq!(queue.len(), 0);
    drop(attached);
}

#[test]
fn unwritten_memberships_go_back_to_the_queue() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Ends("a")).unwrap();
    for _ in 0..3 {
        assert_eq!(operations_of(queue.try_next_batch()), ["Ends(\"a\")"]);
        assert!(queue.confirm_memberships().is_some());
        assert_eq!(drain(&queue), ["Ends(\"a\")", "Confirm"]);
        queue.push(Ends("a")).unwrap();
    }
    drop(attached);
    for _ in 0..3 {
        assert!(operations_of(queue.try_next_batch()).len() == 1);
    }
    let attached = queue.attach();
    for _ in 0..3 {
        assert_eq!(operations_of(attached.take_deferred()), ["Ends(\"a\")"]);
    }
    let mut batch = attached.take_deferred();
    while batch.next().is_some() {}
    batch.mark_written();
    drop(batch);
    assert!(attached.take_deferred().is_empty());
    assert!(queue.confirm_memberships().is_none());
}

#[test]
fn later_membership_replaces_one_that_goes_back() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Ends("a")).unwrap();
    let mut batch = queue.try_next_batch();
    while batch.next().is_some() {}
    // The queue is full, so the later membership is deferred as well.
    let messages = fill(&queue);
    queue.push(Begins("a")).unwrap();
    drop(batch);
    let all = drain(&queue);
    assert_eq!(all.len(), messages + 1);
    assert_eq!(all.last().unwrap(), "Begins(\"a\")");
    drop(attached);
}

#[test]
fn full_queue_keeps_the_last_membership_of_each_key_in_order() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Begins("a")).unwrap();
    let messages = fill(&queue);
    for op in [Ends("a"), Begins("b"), Ends("b"), Begins("c"), Begins("b"), Ends("c")] {
        queue.push(op).unwrap();
    }
    assert!(queue.confirm_memberships().is_some());
    let all = drain(&queue);
    let end = ["Ends(\"a\")", "Begins(\"b\")", "Ends(\"c\")", "Confirm"];
    assert_eq!(all[0], "Begins(\"a\")");
    assert_eq!(all.len(), 1 + messages + end.len());
    assert_eq!(all[1 + messages..], end);
    drop(attached);
}

#[test]
fn detached_queue_keeps_only_memberships_that_are_not_restorable() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    for op in [Ends("a"), Op::Message(1), Begins("b"), Ends("c"), Begins("c")] {
        queue.push(op).unwrap();
    }
    drop(attached);
    for op in [Ends("d"), Begins("d"), Ends("e"), Begins("a"), Ends("a")] {
        queue.push(op).unwrap();
    }
    let attached = queue.attach();
    assert_eq!(operations_of(attached.take_deferred()), ["Ends(\"e\")", "Ends(\"a\")"]);
    assert_eq!(drain(&queue), ["Message(1)", "Ends(\"e\")", "Ends(\"a\")"]);
    drop(attached);
}
