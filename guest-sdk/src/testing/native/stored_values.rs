//! The operations of a test on the plugin's buckets and its configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{config_rules, native_host::NativeHost};
use crate::{keyvalue::TimeToLive, message};

impl NativeHost {
    /// The value of a key.
    pub(crate) fn keyvalue_get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.state().keyvalue().get(bucket, key))
    }

    /// Sets the value of a key, which is deleted after `ttl`.
    pub(crate) fn keyvalue_set(
        &self,
        bucket: &str,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), String> {
        self.state().keyvalue().set(bucket, key, value.to_owned(), ttl);
        Ok(())
    }

    /// Deletes a key.
    pub(crate) fn keyvalue_delete(&self, bucket: &str, key: &str) -> Result<(), String> {
        self.state().keyvalue().delete(bucket, key);
        Ok(())
    }

    /// The keys of a bucket that begin with a prefix.
    pub(crate) fn keyvalue_keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, String> {
        Ok(self.state().keyvalue().list(bucket, prefix, None, usize::MAX).keys)
    }

    /// The time that a key has left.
    pub(crate) fn keyvalue_ttl(&self, bucket: &str, key: &str) -> Result<TimeToLive, String> {
        Ok(self.state().keyvalue().ttl(bucket, key))
    }

    /// Sets or removes keys of the configuration.
    pub(crate) fn set_config(
        &mut self,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), String> {
        let before = self.state().config.clone();
        let config = config_rules::apply(&before, changes)?;
        let has_changed = config != before;
        self.state().config = config;
        if has_changed && self.code.tells_config_changes {
            self.tell_config_change()?;
        }
        self.settle()
    }

    /// Sends the message of a changed configuration to all open connections.
    fn tell_config_change(&mut self) -> Result<(), String> {
        let message = message::encode(&BTreeMap::from([("type", "config.changed")]));
        let message = message.map_err(|error| error.to_string())?;
        let channels: Vec<_> = {
            let state = self.state();
            let live = state.connections.values().filter(|connection| connection.is_live());
            live.map(|connection| connection.channel.clone()).collect()
        };
        for channel in channels {
            self.queue_message(channel, message.clone());
        }
        Ok(())
    }
}
