//! Promises that were rejected while nothing handled their rejection.

use std::cell::RefCell;

use rquickjs::{Ctx, Persistent, Value};

use crate::failure::{self, Failure};

thread_local! {
    static UNHANDLED: RefCell<Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>> = RefCell::default();
}

/// The most rejections that one step reports.
const MAX_REPORTED: usize = 100;

/// Records that a promise was rejected, or that a handler was added to a rejected promise.
pub fn track<'js>(ctx: Ctx<'js>, promise: Value<'js>, reason: Value<'js>, is_handled: bool) {
    UNHANDLED.with_borrow_mut(|unhandled| {
        if is_handled {
            unhandled.retain(|(known, _)| {
                known.clone().restore(&ctx).is_ok_and(|known| known != promise)
            });
        } else if unhandled.len() < MAX_REPORTED {
            unhandled.push((Persistent::save(&ctx, promise), Persistent::save(&ctx, reason)));
        }
    });
}

/// Forgets all rejections.
pub fn clear() {
    UNHANDLED.take();
}

/// Takes the rejections that are not handled, and returns the first one.
pub fn take_first(ctx: &Ctx<'_>) -> Option<Failure> {
    let (_, reason) = UNHANDLED.take().into_iter().next()?;
    reason.restore(ctx).ok().map(|reason| failure::of_value(&reason))
}

/// Logs the rejections that are not handled when a step has ended.
pub fn report(ctx: &Ctx<'_>) {
    for (_, reason) in UNHANDLED.take() {
        if let Ok(reason) = reason.restore(ctx) {
            failure::of_value(&reason)
                .log(Some("a promise was rejected, and its rejection is not handled"));
        }
    }
}
