//! `wasi:keyvalue/atomics`: changes that depend on the value that a key has.

use wasmtime::component::Resource;

use super::{CasHandle, OperationError, WitKeyvalueResult};
use crate::bindings::grantable_world::wasi::keyvalue::atomics::{CasError, Host, HostCas};
use crate::bindings::grantable_world::wasi::keyvalue::store::Error;
use crate::store::GuestState;
use narrowboat_keyvalue::{Bucket, OperationSubject, OperationTarget};

/// The bytes that all [`CasHandle`]s of an instance may take. The largest value of a key has 4 MiB.
const MAX_CAS_BYTES: usize = 8 << 20;

impl GuestState {
    /// Creates a handle with the value that the key has now.
    fn new_cas(&mut self, bucket: Bucket, key: String) -> WitKeyvalueResult<Resource<CasHandle>> {
        let asked = self.ask_store(async |services| services.keyvalue.get(&bucket, &key).await);
        let value = match asked {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.for_guest(&target_of(&bucket, &key)))),
        };
        let handle = CasHandle { bucket, key, value };
        let wasi = self.wasi_mut_or_init();
        let held = wasi.cas_bytes + handle.bytes();
        if held > MAX_CAS_BYTES {
            let target = target_of(&handle.bucket, &handle.key);
            let problem = format!(
                "the values of all compare-and-swap handles of this instance have more than 8 MiB together; drop some \
                 of them ({target})"
            );
            return Ok(Err(Error::Other(problem)));
        }
        let handle = wasi.table.push(handle)?;
        wasi.cas_bytes = held;
        Ok(Ok(handle))
    }

    fn take_cas(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<CasHandle> {
        let wasi = self.wasi_mut_or_init();
        let handle = wasi.table.delete(handle)?;
        wasi.cas_bytes -= handle.bytes();
        Ok(handle)
    }

    /// Sets the value of the key if it has not changed. `false`: it has.
    fn swap_value(&mut self, handle: &CasHandle, value: Vec<u8>) -> Result<bool, Error> {
        let CasHandle { bucket, key, value: expected } = handle;
        let swapped = match self.suppressed {
            Some(reason) => Err(OperationError::Suppressed(reason)),
            None => self.ask_store(async |services| {
                let (store, expected) = (&services.keyvalue, expected.as_deref());
                store.compare_and_set(bucket, key, expected, value, &services.quota).await
            }),
        };
        swapped.map_err(|error| error.for_guest(&target_of(bucket, key)))
    }
}

fn target_of<'a>(bucket: &'a Bucket, key: &'a str) -> OperationTarget<'a> {
    OperationTarget { bucket, subject: OperationSubject::Key(key) }
}

impl Host for GuestState {
    fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> WitKeyvalueResult<i64> {
        self.write_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.increment(own, &key, delta, &services.quota).await
        })
    }

    fn swap(
        &mut self,
        cas: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let handle = self.take_cas(cas)?;
        Ok(match self.swap_value(&handle, value) {
            Ok(true) => Ok(()),
            Ok(false) => Err(match self.new_cas(handle.bucket, handle.key)? {
                Ok(latest) => CasError::CasFailed(latest),
                Err(error) => CasError::StoreError(error),
            }),
            Err(error) => Err(CasError::StoreError(error)),
        })
    }
}

impl HostCas for GuestState {
    fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> WitKeyvalueResult<Resource<CasHandle>> {
        let bucket = self.wasi_mut_or_init().table.get(&bucket)?.clone();
        self.new_cas(bucket, key)
    }

    fn current(&mut self, cas: Resource<CasHandle>) -> WitKeyvalueResult<Option<Vec<u8>>> {
        Ok(Ok(self.wasi_mut_or_init().table.get(&cas)?.value.clone()))
    }

    fn drop(&mut self, cas: Resource<CasHandle>) -> wasmtime::Result<()> {
        self.take_cas(cas)?;
        Ok(())
    }
}
