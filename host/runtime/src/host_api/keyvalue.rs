//! `wasi:keyvalue` and `narrowboat:consumer/keyvalue`: values that outlive an instance. Reads and writes happen during the
//! call.

mod atomics;
mod batch;
mod cas_handle;
mod lifetimes;
mod store;

use std::time::Duration;

use thiserror::Error;
use wasmtime::component::Resource;

use crate::bindings::grantable_world::wasi::keyvalue::store::Error as WitError;
use crate::store::{GuestState, HostServices, SuppressReason, WaitError};
#[expect(unreachable_pub, reason = "the generated bindings export it")]
pub use cas_handle::CasHandle;
use narrowboat_keyvalue::{Bucket, KeyvalueError, OperationSubject, OperationTarget};

/// The begin of the texts of errors whose cause is the store or a limit of the operator. The SDKs tell these errors by it.
const UNAVAILABLE_PREFIX: &str = "key-value store unavailable: ";

/// The timeout of one operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of an import, or a trap.
type WitKeyvalueResult<T> = wasmtime::Result<Result<T, WitError>>;

/// Why an operation has no result.
#[derive(Debug, Error)]
enum OperationError {
    /// The store refuses it.
    #[error(transparent)]
    Store(#[from] KeyvalueError),
    /// The store does not respond in time.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The call must not change anything.
    #[error("{}", .0.message())]
    Suppressed(SuppressReason),
}

impl OperationError {
    /// The error for the guest, whose text names the bucket and the key.
    fn for_guest(&self, target: &OperationTarget<'_>) -> WitError {
        let prefix = match self {
            Self::Store(KeyvalueError::InvalidBucketName) => return WitError::NoSuchStore,
            Self::Store(error) if error.is_unavailable() => UNAVAILABLE_PREFIX,
            Self::Wait(_) => UNAVAILABLE_PREFIX,
            Self::Store(_) | Self::Suppressed(_) => "",
        };
        let text = self.to_string();
        let text = text.strip_prefix(prefix).unwrap_or(&text);
        WitError::Other(format!("{prefix}{text} ({target})"))
    }
}

impl GuestState {
    /// Runs an operation that reads a bucket, and waits for its result.
    fn read_bucket<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        subject: OperationSubject<'_>,
        work: impl AsyncFnOnce(&HostServices, &Bucket) -> Result<T, KeyvalueError>,
    ) -> WitKeyvalueResult<T> {
        let wasi = self.wasi_mut_or_init();
        let own = wasi.table.get(bucket)?;
        let waited = wasi.wait_budget.block_on(OPERATION_TIMEOUT, work(&wasi.services, own));
        let result = flatten(waited)
            .map_err(|error| error.for_guest(&OperationTarget { bucket: own, subject }));
        self.record_waits();
        Ok(result)
    }

    /// Runs an operation that changes a bucket, unless the call must not change anything.
    fn write_bucket<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        subject: OperationSubject<'_>,
        work: impl AsyncFnOnce(&HostServices, &Bucket) -> Result<T, KeyvalueError>,
    ) -> WitKeyvalueResult<T> {
        let Some(reason) = self.suppressed else {
            return self.read_bucket(bucket, subject, work);
        };
        let bucket = self.wasi_mut_or_init().table.get(bucket)?;
        let target = OperationTarget { bucket, subject };
        Ok(Err(OperationError::Suppressed(reason).for_guest(&target)))
    }

    /// Runs an operation on a key of a bucket that the guest holds no handle of, and waits for its result.
    fn ask_store<T>(
        &mut self,
        work: impl AsyncFnOnce(&HostServices) -> Result<T, KeyvalueError>,
    ) -> Result<T, OperationError> {
        let wasi = self.wasi_mut_or_init();
        let waited = wasi.wait_budget.block_on(OPERATION_TIMEOUT, work(&wasi.services));
        self.record_waits();
        flatten(waited)
    }
}

fn flatten<T>(waited: Result<Result<T, KeyvalueError>, WaitError>) -> Result<T, OperationError> {
    Ok(waited??)
}
