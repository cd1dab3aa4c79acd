//! What Redis does in one go.

/// Puts messages into message keys. `KEYS` has one key a message; `ARGV` begins with the score below which what waits
/// has expired and the seconds a key lasts; then for each message score, capacity and bytes. Answers with the
/// positions, from 1, of those that found their key full; negative where the key holds something else. What the server
/// refuses otherwise is the script's own error. A write that takes memory comes first and has no effect: a server that has
/// no memory refuses it only to a script that has written nothing yet.
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
