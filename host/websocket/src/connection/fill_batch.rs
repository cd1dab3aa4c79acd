//! Moves frames from the queue of a connection into a write.

use std::task::Context;

use super::connection_handle::ConnectionHandle;
use super::control_signals::PendingClose;
use super::direct_writer::RestState;
use super::outbound_queue::OutboundItem;
use super::throttle::RateState;
use crate::codec::{FrameEncoder, WriteBatch};

/// Encodes queued frames into a batch. Returns the request to close once the Close frame is encoded, which is the last
/// frame.
pub(super) fn fill_batch(
    handle: &ConnectionHandle,
    encoder: &mut FrameEncoder,
    batch: &mut WriteBatch,
    cx: &Context<'_>,
    (rate, rest): (RateState, RestState),
) -> Option<PendingClose> {
    while !batch.is_full() {
        match handle.outbound.pop_item(cx, batch.is_empty(), rate, rest)? {
            OutboundItem::Frame(frame) => {
                handle.traffic.record_sent(frame.len());
                encoder.encode_message(batch, frame);
            }
            OutboundItem::Close(request) => {
                encoder.queue_close(&request.close_frame);
                return Some(request);
            }
        }
    }
    None
}
