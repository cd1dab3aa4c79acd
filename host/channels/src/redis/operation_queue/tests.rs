use super::*;

/// Of a test: a message of a byte, or a membership of a key.
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

    fn claim(_: LeaseRequest) -> Self {
        Self::Confirm
    }
}

/// What a batch holds, which is dropped without any of it having been done.
fn look(mut batch: OperationBatch<'_, Op>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(next) = batch.next() {
        all.push(match next {
            Next::Membership(op) => format!("{op:?}"),
            Next::Other(op) => format!("{op:?}"),
        });
    }
    all
}

/// A queue with no room, and how many messages fill it.
fn full(queue: &OperationQueue<Op>) -> usize {
    (0..).find(|_| queue.push(Op::Message(0)).is_err()).unwrap()
}

/// Takes all that there is and says that it is done.
fn drain(queue: &OperationQueue<Op>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut batch = queue.try_next_batch();
        if batch.is_empty() {
            return all;
        }
        while let Some(next) = batch.next() {
            all.push(match next {
                Next::Membership(op) => format!("{op:?}"),
                Next::Other(op) => format!("{op:?}"),
            });
        }
        batch.mark_written();
    }
}

#[test]
fn what_a_batch_did_not_come_to_is_next_again_in_its_order() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    for op in [Op::Message(1), Ends("a"), Op::Message(2), Ends("b"), Op::Message(3)] {
        queue.push(op).unwrap();
    }
    let mut batch = queue.try_next_batch();
    assert!(matches!(batch.next(), Some(Next::Other(Op::Message(1)))));
    assert!(matches!(batch.next(), Some(Next::Membership(Ends("a")))));
    drop(batch);
    queue.push(Op::Message(4)).unwrap();
    let all = ["Ends(\"a\")", "Message(2)", "Ends(\"b\")", "Message(3)", "Message(4)"];
    assert_eq!(drain(&queue), all);
    assert_eq!(queue.len(), 0);
    drop(attached);
}

#[test]
fn memberships_taken_out_of_the_queue_return_to_it_until_they_are_written() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Ends("a")).unwrap();
    for _ in 0..3 {
        assert_eq!(look(queue.try_next_batch()), ["Ends(\"a\")"]);
        assert!(queue.confirm_memberships().is_some());
        assert_eq!(drain(&queue), ["Ends(\"a\")", "Confirm"]);
        queue.push(Ends("a")).unwrap();
    }
    drop(attached);
    for _ in 0..3 {
        assert!(look(queue.try_next_batch()).len() == 1);
    }
    let attached = queue.attach();
    for _ in 0..3 {
        assert_eq!(look(attached.take_deferred()), ["Ends(\"a\")"]);
    }
    let mut batch = attached.take_deferred();
    while batch.next().is_some() {}
    batch.mark_written();
    drop(batch);
    assert!(attached.take_deferred().is_empty());
    assert!(queue.confirm_memberships().is_none());
}

#[test]
fn a_membership_that_is_put_back_yields_to_a_later_one() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Ends("a")).unwrap();
    let mut batch = queue.try_next_batch();
    while batch.next().is_some() {}
    // No room is left, so that the later one is deferred as well.
    let messages = full(&queue);
    queue.push(Begins("a")).unwrap();
    drop(batch);
    let all = drain(&queue);
    assert_eq!(all.len(), messages + 1);
    assert_eq!(all.last().unwrap(), "Begins(\"a\")");
    drop(attached);
}

#[test]
fn a_full_queue_keeps_the_last_membership_of_each_channel_and_its_place_among_messages() {
    let queue = OperationQueue::default();
    let attached = queue.attach();
    queue.push(Begins("a")).unwrap();
    let messages = full(&queue);
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
fn while_redis_is_away_only_memberships_are_kept_that_nothing_else_knows_of() {
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
    assert_eq!(look(attached.take_deferred()), ["Ends(\"e\")", "Ends(\"a\")"]);
    assert_eq!(drain(&queue), ["Message(1)", "Ends(\"e\")", "Ends(\"a\")"]);
    drop(attached);
}
