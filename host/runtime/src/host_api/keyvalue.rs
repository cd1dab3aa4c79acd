//! `wasi:keyvalue`: values that outlive an instance. Reads and writes happen during the call.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};
use crate::store::GuestState;
use crate::store::{SuppressReason, WaitError};
use narrowboat_core::capabilities::CapabilityFlag;
use narrowboat_keyvalue::{Bucket, KeyvalueError};

/// The timeout of one operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of an import, or a trap.
type WitKeyvalueResult<T> = wasmtime::Result<Result<T, store::Error>>;

impl From<KeyvalueError> for store::Error {
    fn from(error: KeyvalueError) -> Self {
        match error {
            KeyvalueError::InvalidBucketName => Self::NoSuchStore,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<WaitError> for store::Error {
    fn from(error: WaitError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<SuppressReason> for store::Error {
    fn from(reason: SuppressReason) -> Self {
        Self::Other(reason.message().to_owned())
    }
}

/// Runs an operation of the store and waits for its result.
macro_rules! read_store {
    ($state:ident, $bucket:ident, |$services:ident, $own:ident| $work:expr) => {{
        let wasi = $state.wasi_mut_or_init();
        let $own = wasi.table.get(&$bucket)?;
        let $services = &wasi.services;
        let result = wasi.wait_budget.block_on(OPERATION_TIMEOUT, $work);
        $state.record_waits();
        match result {
            Ok(result) => Ok(result.map_err(store::Error::from)),
            Err(error) => Ok(Err(error.into())),
        }
    }};
}

/// Runs an operation that changes the store, unless the call must not change anything.
macro_rules! write_store {
    ($state:ident, $bucket:ident, |$services:ident, $own:ident| $work:expr) => {
        match $state.suppressed {
            Some(reason) => Ok(Err(reason.into())),
            None => read_store!($state, $bucket, |$services, $own| $work),
        }
    };
}

impl store::Host for GuestState {
    fn open(&mut self, identifier: String) -> WitKeyvalueResult<Resource<Bucket>> {
        if !self.ctx.capabilities.has_flag(CapabilityFlag::Keyvalue) {
            self.ctx.warn_import_not_requested("wasi:keyvalue", "keyvalue = true");
            return Ok(Err(store::Error::AccessDenied));
        }
        match Bucket::new(&self.ctx.tenant, identifier) {
            Ok(bucket) => Ok(Ok(self.wasi_mut_or_init().table.push(bucket)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl store::HostBucket for GuestState {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<Option<Vec<u8>>> {
        read_store!(self, bucket, |services, own| services.keyvalue.get(own, &key))
    }

    fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> WitKeyvalueResult<()> {
        write_store!(self, bucket, |services, own| {
            services.keyvalue.set(own, &key, value, &services.quota)
        })
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<()> {
        write_store!(self, bucket, |services, own| services.keyvalue.delete(own, &key))
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<bool> {
        read_store!(self, bucket, |services, own| services.keyvalue.exists(own, &key))
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> WitKeyvalueResult<store::KeyResponse> {
        let page: WitKeyvalueResult<_> = read_store!(self, bucket, |services, own| services
            .keyvalue
            .keys(own, cursor.as_deref()));
        Ok(page?.map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.wasi_mut_or_init().table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for GuestState {
    fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> WitKeyvalueResult<i64> {
        write_store!(self, bucket, |services, own| {
            services.keyvalue.increment(own, &key, delta, &services.quota)
        })
    }
}
