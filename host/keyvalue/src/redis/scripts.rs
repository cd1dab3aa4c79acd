//! What Redis does in one go. `KEYS` are a bucket's hash and the tenant's bytes.

/// `ARGV`: key, value, bytes of an entry beside them, quota. Answers with the bytes of all, or "over".
pub(super) const SET: &str = r"
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

/// `ARGV`: key, bytes of an entry beside it and its value. Answers with the bytes of all.
pub(super) const DELETE: &str = r"
local len = redis.call('HSTRLEN', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
  redis.call('DECRBY', KEYS[2], string.format('%.0f', #ARGV[1] + len + ARGV[2]))
end
return redis.call('GET', KEYS[2]) or '0'
";

/// `ARGV`: cursor, about how many. Answers with the next cursor and the keys; the values stay where they are.
pub(super) const KEYS: &str = r"
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local keys = {}
for i = 1, #page[2], 2 do keys[#keys + 1] = page[2][i] end
return {page[1], keys}
";

/// `ARGV`: key, number to add, bytes of an entry beside key and value, quota. Answers with the sum in digits, which are
/// more than Lua's numbers hold, with 'over', or with 'none' where the value is no number; and with the bytes of all.
pub(super) const INCREMENT: &str = r"
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
