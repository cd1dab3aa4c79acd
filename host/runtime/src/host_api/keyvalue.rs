//! `wasi:keyvalue` and `narrowboat:consumer/keyvalue`: values that outlive an instance. Reads and writes happen during the
//! call.

mod atomics;
mod batch;
mod cas_handle;
mod lifetimes;
mod store;

use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::grantable_world::wasi::keyvalue::store::Error;
use crate::store::{GuestState, HostServices, SuppressReason, WaitError};
#[expect(unreachable_pub, reason = "the generated bindings export it")]
pub use cas_handle::CasHandle;
use narrowboat_keyvalue::{Bucket, KeyvalueError};

/// The timeout of one operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of an import, or a trap.
type WitKeyvalueResult<T> = wasmtime::Result<Result<T, Error>>;

impl From<KeyvalueError> for Error {
    fn from(error: KeyvalueError) -> Self {
        match error {
            KeyvalueError::InvalidBucketName => Self::NoSuchStore,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<SuppressReason> for Error {
    fn from(reason: SuppressReason) -> Self {
        Self::Other(reason.message().to_owned())
    }
}

impl GuestState {
    /// Runs an operation that reads a bucket, and waits for its result.
    fn read_bucket<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        work: impl AsyncFnOnce(&HostServices, &Bucket) -> Result<T, KeyvalueError>,
    ) -> WitKeyvalueResult<T> {
        let wasi = self.wasi_mut_or_init();
        let own = wasi.table.get(bucket)?;
        let waited = wasi.wait_budget.block_on(OPERATION_TIMEOUT, work(&wasi.services, own));
        self.record_waits();
        Ok(flatten(waited))
    }

    /// Runs an operation that changes a bucket, unless the call must not change anything.
    fn write_bucket<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        work: impl AsyncFnOnce(&HostServices, &Bucket) -> Result<T, KeyvalueError>,
    ) -> WitKeyvalueResult<T> {
        match self.suppressed {
            Some(reason) => Ok(Err(reason.into())),
            None => self.read_bucket(bucket, work),
        }
    }

    /// Runs an operation on a bucket that the guest holds no handle of, and waits for its result.
    fn ask_store<T>(
        &mut self,
        work: impl AsyncFnOnce(&HostServices) -> Result<T, KeyvalueError>,
    ) -> Result<T, Error> {
        let wasi = self.wasi_mut_or_init();
        let waited = wasi.wait_budget.block_on(OPERATION_TIMEOUT, work(&wasi.services));
        self.record_waits();
        flatten(waited)
    }
}

fn flatten<T>(waited: Result<Result<T, KeyvalueError>, WaitError>) -> Result<T, Error> {
    Ok(waited??)
}
