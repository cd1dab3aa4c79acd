//! The states of rooms in Redis, and their leases.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Script, ScriptInvocation};

use super::operation::KeyvalueOperation;
use super::redis_request::RedisRequest;
use super::redis_store::RedisStore;
use super::room_scripts::LEASE_LOST_REPLY;
use crate::rooms::{
    AlarmChange, AlarmPage, LeaseToken, RecordChange, RoomChange, RoomKey, RoomLease, RoomOpening,
    StoredAlarm, StoredRoom,
};
use crate::{Bucket, KeyvalueError};
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::boot_clock::time_since_boot;
use narrowboat_core::room_name::RoomName;

/// Leases that are renewed by one script.
const RENEWAL_BATCH: usize = 256;

/// The reply of the script that opens a room: the token, the milliseconds of another owner, the record and the alarm.
type OpenReply = (String, String, Option<Vec<u8>>, Option<Vec<u8>>);

impl RedisStore {
    pub(crate) async fn open_room(&self, room: &RoomKey) -> Result<RoomOpening, KeyvalueError> {
        let mut script = self.room_invocation(&self.room_scripts.open, &room.bucket, &room.plugin);
        script.arg(room.record_key()).arg(room.alarm_key());
        script.arg(&self.owner).arg(millis(self.lease));
        let requested_at = time_since_boot();
        let request = RedisRequest::Script(&script);
        let (token, left, record, alarm): OpenReply =
            self.run(KeyvalueOperation::OpenRoom, &request).await?;
        let unexpected = || KeyvalueError::Unavailable("an unexpected reply".to_owned());
        match token.parse().map_err(|_| unexpected())? {
            0 => {
                let left = left.parse().map_err(|_| unexpected())?;
                Ok(RoomOpening::OwnedElsewhere(Duration::from_millis(left)))
            }
            token => {
                let lease = RoomLease::until(token, requested_at, self.lease);
                let alarm = alarm.as_deref().and_then(StoredAlarm::decode);
                Ok(RoomOpening::Opened(lease, StoredRoom { record, alarm }))
            }
        }
    }

    pub(crate) async fn change_room(
        &self,
        room: &RoomKey,
        token: LeaseToken,
        change: RoomChange,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let RoomChange { record, alarm } = change;
        let mut script =
            self.room_invocation(&self.room_scripts.change, &room.bucket, &room.plugin);
        script.arg(quota).arg(room.record_key()).arg(room.alarm_key()).arg(self.lease_text(token));
        match record {
            RecordChange::Keep => script.arg("").arg(""),
            RecordChange::Set(record) => script.arg("set").arg(record),
            RecordChange::Delete => script.arg("delete").arg(""),
        };
        match alarm {
            None => script.arg("").arg("").arg(""),
            Some(AlarmChange { to: Some(alarm), .. }) => {
                script.arg("set").arg(alarm.encode()).arg(alarm.time.as_millis())
            }
            Some(AlarmChange { to: None, .. }) => script.arg("delete").arg("").arg(""),
        };
        script.arg(room.room.as_str());
        let request = RedisRequest::Script(&script);
        let reply =
            self.write(KeyvalueOperation::ChangeRoom, &room.bucket, &request, quota).await?;
        if reply == LEASE_LOST_REPLY { Err(KeyvalueError::LeaseLost) } else { Ok(()) }
    }

    pub(crate) async fn close_room(
        &self,
        room: &RoomKey,
        token: LeaseToken,
    ) -> Result<(), KeyvalueError> {
        let mut script = self.room_invocation(&self.room_scripts.close, &room.bucket, &room.plugin);
        script.arg(room.record_key()).arg(self.lease_text(token));
        let request = RedisRequest::Script(&script);
        self.run::<u8>(KeyvalueOperation::CloseRoom, &request).await.map(drop)
    }

    pub(crate) async fn renew_leases(
        &self,
        bucket: &Bucket,
        leases: &[(RoomKey, Arc<RoomLease>)],
    ) -> Result<(), KeyvalueError> {
        for batch in leases.chunks(RENEWAL_BATCH) {
            let mut script = self.room_invocation(&self.room_scripts.renew, bucket, "");
            script.arg(millis(self.lease));
            for (room, lease) in batch {
                script.arg(room.record_key()).arg(self.lease_text(lease.token()));
            }
            let requested_at = time_since_boot();
            let request = RedisRequest::Script(&script);
            let renewed: Vec<u8> = self.run(KeyvalueOperation::RenewLeases, &request).await?;
            for ((_, lease), is_renewed) in batch.iter().zip(renewed) {
                match is_renewed {
                    0 => lease.mark_lost(),
                    _ => lease.extend(requested_at, self.lease),
                }
            }
        }
        Ok(())
    }

    /// Lists a page of alarms. The cursor is the number of those before it.
    pub(crate) async fn list_alarms(
        &self,
        bucket: &Bucket,
        plugin: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AlarmPage, KeyvalueError> {
        let offset: usize =
            cursor.unwrap_or("0").parse().map_err(|_| KeyvalueError::InvalidCursor)?;
        let mut commands = Pipeline::new();
        commands.cmd("ZRANGEBYSCORE").arg(self.keys.alarms_key(bucket, plugin));
        commands.arg("-inf").arg("+inf").arg("WITHSCORES").arg("LIMIT").arg(offset).arg(limit);
        let request = RedisRequest::Commands(&commands);
        let (found,): (Vec<(String, f64)>,) =
            self.run(KeyvalueOperation::ListAlarms, &request).await?;
        let cursor = (found.len() == limit).then(|| (offset + limit).to_string());
        let alarms = found.into_iter().filter_map(|(room, time)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the score is a number of milliseconds, which is never negative"
            )]
            let time = AlarmTime::from_millis(time as u64);
            Some((time, RoomName::parse(&room)?))
        });
        Ok(AlarmPage { alarms: alarms.collect(), cursor })
    }

    /// Begins a call of a script for rooms.
    fn room_invocation<'a>(
        &self,
        script: &'a Script,
        bucket: &Bucket,
        plugin: &str,
    ) -> ScriptInvocation<'a> {
        let mut invocation = self.invocation(script, bucket);
        invocation.key(self.keys.leases_key(bucket)).key(self.keys.lease_times_key(bucket));
        invocation.key(self.keys.alarms_key(bucket, plugin));
        invocation
    }

    /// A lease of this host as the store has it.
    fn lease_text(&self, token: LeaseToken) -> String {
        format!("{token} {}", self.owner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
