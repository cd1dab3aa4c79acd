//! The scripts that Redis runs.
//!
//! `KEYS` are the hash of a bucket, the number of bytes of its owner, and the sorted set of the owner's entries that
//! expire, whose scores are milliseconds of the server's clock. `ARGV` begins with the name of the bucket, the overhead
//! of an entry in bytes, and the beginning of the keys of the owner's buckets. A script that writes returns its result
//! and the bytes of all entries, both as texts: the numbers of Lua cannot hold every integer of 64 bits.
//!
//! Redis 7.0 has no time of expiry for a field of a hash. So each script takes an entry whose time has come for missing,
//! and each script that writes removes some of those entries.

use ::redis::Script;

/// The reply of a script that would exceed the quota.
pub(super) const OVER_QUOTA_REPLY: &str = "over";

/// The reply of a script that would exceed the quota, and has not removed all entries whose time has come.
pub(super) const AGAIN_REPLY: &str = "again";

/// The scripts of the store.
#[derive(Debug)]
pub(super) struct LuaScripts {
    pub(super) get_many: Script,
    pub(super) set: Script,
    pub(super) delete: Script,
    pub(super) list: Script,
    pub(super) increment: Script,
    pub(super) compare_and_set: Script,
    pub(super) set_ttl: Script,
}

impl LuaScripts {
    pub(super) fn new() -> Self {
        let reading = |body: &str| Script::new(&format!("{COMMON}{body}"));
        let writing = |body: &str| Script::new(&format!("{COMMON}{WRITING}{body}"));
        Self {
            get_many: reading(GET_MANY),
            set: writing(SET),
            delete: writing(DELETE),
            list: reading(LIST),
            increment: writing(INCREMENT),
            compare_and_set: writing(COMPARE_AND_SET),
            set_ttl: writing(SET_TTL),
        }
    }
}

/// The beginning of all scripts.
pub(super) const COMMON: &str = r"
local bucket, overhead, buckets = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_due(key)
  local due = redis.call('ZSCORE', KEYS[3], bucket .. ':' .. key)
  return due and tonumber(due) <= now
end
";

/// The beginning of all scripts that write. It removes at most 256 entries whose time has come, of all buckets of the
/// owner, because the quota counts them together.
pub(super) const WRITING: &str = r"
local used = tonumber(redis.call('GET', KEYS[2]) or '0')
local stored = used
local function remove(bucket, key)
  local len = redis.call('HSTRLEN', buckets .. bucket, key)
  if redis.call('HDEL', buckets .. bucket, key) == 1 then
    used = used - (overhead + #bucket + #key + len)
  end
  redis.call('ZREM', KEYS[3], bucket .. ':' .. key)
end
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 256)
for _, member in ipairs(due) do
  local at = string.find(member, ':', 1, true)
  if at then
    remove(string.sub(member, 1, at - 1), string.sub(member, at + 1))
  else
    redis.call('ZREM', KEYS[3], member)
  end
end
local over = #due == 256 and 'again' or 'over'
local function remove_due(key)
  if is_due(key) then remove(bucket, key) end
end
local function bytes(key, value)
  return value and overhead + #bucket + #key + #value or 0
end
local function counted(key)
  if redis.call('HEXISTS', KEYS[1], key) == 0 then return 0 end
  return overhead + #bucket + #key + redis.call('HSTRLEN', KEYS[1], key)
end
local function exceeds(growth, quota)
  return growth > 0 and used + growth > tonumber(quota)
end
local function result(reply)
  local text = string.format('%.0f', used)
  if used ~= stored then redis.call('SET', KEYS[2], text) end
  return {reply, text}
end
";

/// Gets keys. `ARGV`: the most bytes of all values, keys. Returns the values, or the text 'large'.
const GET_MANY: &str = r"
local most, sum, values = tonumber(ARGV[4]), 0, {}
for at = 5, #ARGV do
  local key = ARGV[at]
  if is_due(key) then
    values[#values + 1] = false
  else
    sum = sum + redis.call('HSTRLEN', KEYS[1], key)
    if sum > most then return {'large', {}} end
    values[#values + 1] = redis.call('HGET', KEYS[1], key)
  end
end
return {'values', values}
";

/// Sets keys. `ARGV`: quota, time to live in milliseconds or nothing, then each key and its value.
const SET: &str = r"
local growth = 0
for at = 6, #ARGV, 2 do
  remove_due(ARGV[at])
  growth = growth + bytes(ARGV[at], ARGV[at + 1]) - counted(ARGV[at])
end
if exceeds(growth, ARGV[4]) then return result(over) end
for at = 6, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  local member = bucket .. ':' .. ARGV[at]
  if ARGV[5] == '' then
    redis.call('ZREM', KEYS[3], member)
  else
    redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[5]), member)
  end
end
used = used + growth
return result('set')
";

/// Deletes keys. `ARGV`: keys.
const DELETE: &str = r"
for at = 4, #ARGV do remove(bucket, ARGV[at]) end
return result('deleted')
";

/// Lists keys. `ARGV`: cursor, pattern, number of keys. Returns the next cursor and the keys, without values.
const LIST: &str = r"
local cursor, keys, steps = ARGV[4], {}, 0
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'MATCH', ARGV[5], 'COUNT', 100)
  cursor = page[1]
  for at = 1, #page[2], 2 do
    if not is_due(page[2][at]) then keys[#keys + 1] = page[2][at] end
  end
  steps = steps + 1
until cursor == '0' or #keys >= tonumber(ARGV[6]) or steps == 10
return {cursor, keys}
";

/// Adds to an integer. `ARGV`: quota, key, number to add. The result is the sum, or 'none' if the value is not an
/// integer.
const INCREMENT: &str = r"
local key = ARGV[5]
remove_due(key)
local was = redis.call('HGET', KEYS[1], key)
local sum = redis.pcall('HINCRBY', KEYS[1], key, ARGV[6])
if type(sum) == 'table' then return result('none') end
local is = redis.call('HGET', KEYS[1], key)
local growth = bytes(key, is) - bytes(key, was)
if exceeds(growth, ARGV[4]) then
  if was then redis.call('HSET', KEYS[1], key, was) else redis.call('HDEL', KEYS[1], key) end
  return result(over)
end
used = used + growth
return result(is)
";

/// Sets a key if it has a value. `ARGV`: quota, key, value, '1' or '0' for whether a value is expected, that value.
const COMPARE_AND_SET: &str = r"
local key, value = ARGV[5], ARGV[6]
remove_due(key)
local was = redis.call('HGET', KEYS[1], key)
local is_expected = ARGV[7] == '1' and was == ARGV[8] or ARGV[7] == '0' and not was
if not is_expected then return result('different') end
local growth = bytes(key, value) - bytes(key, was)
if exceeds(growth, ARGV[4]) then return result(over) end
redis.call('HSET', KEYS[1], key, value)
used = used + growth
return result('set')
";

/// Sets the time to live of a key. `ARGV`: key, time in milliseconds or nothing.
const SET_TTL: &str = r"
local key = ARGV[4]
remove_due(key)
if redis.call('HEXISTS', KEYS[1], key) == 0 then return result('missing') end
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[3], bucket .. ':' .. key)
else
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[5]), bucket .. ':' .. key)
end
return result('set')
";
