//! `wasi:keyvalue/store`: buckets, and one key at a time.

use wasmtime::component::Resource;

use super::WitKeyvalueResult;
use crate::bindings::grantable_world::wasi::keyvalue::store::{
    Error, Host, HostBucket, KeyResponse,
};
use crate::store::GuestState;
use narrowboat_core::capabilities::CapabilityFlag;
use narrowboat_keyvalue::{Bucket, OperationSubject, Page};

impl From<Page> for KeyResponse {
    fn from(Page { keys, cursor }: Page) -> Self {
        Self { keys, cursor }
    }
}

impl Host for GuestState {
    fn open(&mut self, identifier: String) -> WitKeyvalueResult<Resource<Bucket>> {
        if !self.ctx.capabilities.has_flag(CapabilityFlag::Keyvalue) {
            self.ctx.warn_import_not_requested("wasi:keyvalue", "keyvalue = true");
            return Ok(Err(Error::AccessDenied));
        }
        match Bucket::new(&self.ctx.tenant, identifier) {
            Ok(bucket) => Ok(Ok(self.wasi_mut_or_init().table.push(bucket)?)),
            Err(_) => Ok(Err(Error::NoSuchStore)),
        }
    }
}

impl HostBucket for GuestState {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<Option<Vec<u8>>> {
        self.read_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.get(own, &key).await
        })
    }

    fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> WitKeyvalueResult<()> {
        self.write_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.set(own, &key, value, &services.quota).await
        })
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<()> {
        self.write_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.delete(own, &key).await
        })
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<bool> {
        self.read_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.exists(own, &key).await
        })
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> WitKeyvalueResult<KeyResponse> {
        let page = self.read_bucket(&bucket, OperationSubject::Bucket, async |services, own| {
            services.keyvalue.keys(own, cursor.as_deref()).await
        });
        Ok(page?.map(KeyResponse::from))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.wasi_mut_or_init().table.delete(bucket)?;
        Ok(())
    }
}
