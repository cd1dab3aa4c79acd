//! Lua scripts.

/// Puts messages into message keys.
///
/// `KEYS` has one key for each message. `ARGV` begins with the score up to which messages have expired and the lifetime
/// of a key in seconds; then it has score, capacity and bytes for each message. Returns the positions, from 1, of the
/// messages whose keys are full, and the negative positions of those whose keys have another type. Any other refusal is
/// the script's own error. The script begins with a write that needs memory and has no effect, since a server without
/// memory refuses writes only to a script that has written nothing yet.
pub(super) const PUT_MESSAGES: &str = r"
local function refuses(answer)
  return type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true)
end
local tried = redis.pcall('ZADD', KEYS[1], 'XX', 0, '')
if refuses(tried) then return tried end
local refused, seen = {}, {}
for i, key in ipairs(KEYS) do
  local at = 3 * i
  local waiting = seen[key]
  if not waiting then
    redis.pcall('ZREMRANGEBYSCORE', key, 0, ARGV[1])
    waiting = redis.pcall('ZCARD', key)
    if refuses(waiting) then return waiting end
  end
  if type(waiting) ~= 'number' then
    refused[#refused + 1] = -i
  elseif waiting >= tonumber(ARGV[at + 1]) then
    seen[key] = waiting
    refused[#refused + 1] = i
  else
    redis.call('ZADD', key, ARGV[at], ARGV[at + 2])
    if not seen[key] then redis.call('EXPIRE', key, ARGV[2]) end
    seen[key] = waiting + 1
  end
end
return refused
";
