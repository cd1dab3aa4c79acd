//! The scripts that Redis runs. `KEYS` are the hash of a bucket, and the number of bytes of its tenant.

use ::redis::Script;

/// The scripts of the store.
#[derive(Debug)]
pub(super) struct LuaScripts {
    pub(super) set: Script,
    pub(super) delete: Script,
    pub(super) keys: Script,
    pub(super) increment: Script,
}

impl LuaScripts {
    pub(super) fn new() -> Self {
        Self {
            set: Script::new(SET),
            delete: Script::new(DELETE),
            keys: Script::new(KEYS),
            increment: Script::new(INCREMENT),
        }
    }
}

/// Sets a key. `ARGV`: key, value, overhead of the entry in bytes, quota. Returns the bytes of all entries, or "over".
const SET: &str = r"
local before, after = 0, #ARGV[1] + #ARGV[2] + ARGV[3]
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  before = #ARGV[1] + redis.call('HSTRLEN', KEYS[1], ARGV[1]) + ARGV[3]
end
local used = tonumber(redis.call('GET', KEYS[2]) or '0') - before + after
if after > before and used > tonumber(ARGV[4]) then return 'over' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
used = string.format('%.0f', used)
redis.call('SET', KEYS[2], used)
return used
";

/// Deletes a key. `ARGV`: key, overhead of the entry in bytes. Returns the bytes of all entries.
const DELETE: &str = r"
local len = redis.call('HSTRLEN', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
  redis.call('DECRBY', KEYS[2], string.format('%.0f', #ARGV[1] + len + ARGV[2]))
end
return redis.call('GET', KEYS[2]) or '0'
";

/// Lists keys. `ARGV`: cursor, approximate number of keys. Returns the next cursor and the keys, without values.
const KEYS: &str = r"
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local keys = {}
for i = 1, #page[2], 2 do keys[#keys + 1] = page[2][i] end
return {page[1], keys}
";

/// Adds to an integer. `ARGV`: key, number to add, overhead of the entry in bytes, quota. Returns two texts: the sum,
/// "over", or "none" if the value is not an integer; and the bytes of all entries. The sum is a text because the
/// numbers of Lua cannot hold every integer of 64 bits.
const INCREMENT: &str = r"
local was = redis.call('HGET', KEYS[1], ARGV[1])
local sum = redis.pcall('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
if type(sum) == 'table' then return {'none', redis.call('GET', KEYS[2]) or '0'} end
local is = redis.call('HGET', KEYS[1], ARGV[1])
local before, after = 0, #ARGV[1] + #is + ARGV[3]
if was then before = #ARGV[1] + #was + ARGV[3] end
local used = tonumber(redis.call('GET', KEYS[2]) or '0') - before + after
if after > before and used > tonumber(ARGV[4]) then
  if was then redis.call('HSET', KEYS[1], ARGV[1], was) else redis.call('HDEL', KEYS[1], ARGV[1]) end
  return {'over', redis.call('GET', KEYS[2]) or '0'}
end
used = string.format('%.0f', used)
redis.call('SET', KEYS[2], used)
return {is, used}
";
