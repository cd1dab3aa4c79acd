//! `narrowboat:consumer/batch-progress`: the ends of the events of a batch.

use crate::bindings::batching_world::narrowboat::consumer::batch_progress::{
    Error as GuestError, Handling, Host,
};
use crate::store::GuestState;

impl Host for GuestState {
    fn end_event(&mut self, ended: Result<Handling, GuestError>) -> wasmtime::Result<bool> {
        self.end_batch_event(ended)
    }
}
