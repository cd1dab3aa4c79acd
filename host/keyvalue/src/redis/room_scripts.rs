//! The scripts for rooms.
//!
//! `KEYS` are the hash of the rooms, the number of bytes of the tenant, the sorted set of the tenant's entries that expire, the
//! hash of the leases, the sorted set of the times at which they end, and the sorted set of the alarms of the plugin. `ARGV`
//! begins as for other scripts.
//!
//! A lease is a text: a token and the name of its owner. The next token is larger than that of the lease and of the record,
//! and at least the microseconds of the server's clock: so it does not begin again from a small number when a server has lost
//! the leases.

use ::redis::Script;

use super::scripts::{COMMON, WRITING};

/// The reply of a script that does not find the lease of the caller.
pub(super) const LEASE_LOST_REPLY: &str = "lost";

/// The scripts for rooms.
#[derive(Debug)]
pub(super) struct RoomScripts {
    pub(super) open: Script,
    pub(super) change: Script,
    pub(super) renew: Script,
    pub(super) close: Script,
}

impl RoomScripts {
    pub(super) fn new() -> Self {
        Self {
            open: Script::new(&format!("{COMMON}{OPEN}")),
            change: Script::new(&format!("{COMMON}{WRITING}{CHANGE}")),
            renew: Script::new(&format!("{COMMON}{RENEW}")),
            close: Script::new(&format!("{COMMON}{CLOSE}")),
        }
    }
}

/// Opens a room. `ARGV`: the key of the record, the key of the alarm, the owner, the milliseconds of the lease. Returns the
/// token, the milliseconds that another owner has left, the record and the alarm. It removes at most 16 leases that have
/// ended.
const OPEN: &str = r"
local field, owner = ARGV[4], ARGV[6]
local lease = redis.call('HGET', KEYS[4], field)
local ends = tonumber(redis.call('ZSCORE', KEYS[5], field) or '0')
local token = time[1] * 1000000 + time[2]
if lease then
  local last, other = string.match(lease, '^(%d+) (.*)$')
  if other ~= owner and ends > now then return {'0', string.format('%.0f', ends - now), false, false} end
  token = math.max(token, tonumber(last) + 1)
end
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('HDEL', KEYS[4], ended)
  redis.call('ZREM', KEYS[5], ended)
end
local record = redis.call('HGET', KEYS[1], field)
local saved = record and string.match(string.sub(record, 1, 64), '^{.format.:%d+,.token.:(%d+)')
if saved then token = math.max(token, tonumber(saved) + 1) end
local text = string.format('%.0f', token)
redis.call('HSET', KEYS[4], field, text .. ' ' .. owner)
redis.call('ZADD', KEYS[5], string.format('%.0f', now + ARGV[7]), field)
return {text, '0', record, redis.call('HGET', KEYS[1], ARGV[5])}
";

/// Changes a room. `ARGV`: quota, the key of the record, the key of the alarm, the lease, what happens to the record ('set',
/// 'delete' or nothing), the record, what happens to the alarm, the value of its key, its time, the name of the room.
const CHANGE: &str = r"
local field, alarm = ARGV[5], ARGV[6]
if redis.call('HGET', KEYS[4], field) ~= ARGV[7] then return result('lost') end
local sets_record, sets_alarm = ARGV[8] == 'set', ARGV[10] == 'set'
local growth = 0
if sets_record then growth = growth + bytes(field, ARGV[9]) - counted(field) end
if sets_alarm then growth = growth + bytes(alarm, ARGV[11]) - counted(alarm) end
if exceeds(growth, ARGV[4]) then return result(over) end
used = used + growth
if sets_record then redis.call('HSET', KEYS[1], field, ARGV[9]) end
if ARGV[8] == 'delete' then remove(bucket, field) end
if sets_alarm then
  redis.call('HSET', KEYS[1], alarm, ARGV[11])
  redis.call('ZADD', KEYS[6], ARGV[12], ARGV[13])
elseif ARGV[10] == 'delete' then
  remove(bucket, alarm)
  redis.call('ZREM', KEYS[6], ARGV[13])
end
return result('changed')
";

/// Renews leases. `ARGV`: the milliseconds of the lease, then the key of each record and its lease. Returns 1 for each that
/// was renewed, and 0 for each that is lost.
const RENEW: &str = r"
local renewed = {}
for at = 5, #ARGV, 2 do
  local ends = tonumber(redis.call('ZSCORE', KEYS[5], ARGV[at]) or '0')
  local is_own = ends > now and redis.call('HGET', KEYS[4], ARGV[at]) == ARGV[at + 1]
  if is_own then redis.call('ZADD', KEYS[5], string.format('%.0f', now + ARGV[4]), ARGV[at]) end
  renewed[#renewed + 1] = is_own and 1 or 0
end
return renewed
";

/// Gives up a lease. `ARGV`: the key of the record, the lease.
const CLOSE: &str = r"
if redis.call('HGET', KEYS[4], ARGV[4]) == ARGV[5] then
  redis.call('HDEL', KEYS[4], ARGV[4])
  redis.call('ZREM', KEYS[5], ARGV[4])
end
return 1
";
