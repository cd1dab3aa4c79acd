//! `wasi:config/store`: the configuration of the plugin, as it is now.

use crate::bindings::grantable_world::wasi::config::store::{Error, Host};
use crate::store::GuestState;

/// The result of an import, or a trap.
type WitConfigResult<T> = wasmtime::Result<Result<T, Error>>;

impl Host for GuestState {
    fn get(&mut self, key: String) -> WitConfigResult<Option<String>> {
        Ok(Ok(self.ctx.services.settings.snapshot().get(&key).cloned()))
    }

    fn get_all(&mut self) -> WitConfigResult<Vec<(String, String)>> {
        let values = self.ctx.services.settings.snapshot();
        Ok(Ok(values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
