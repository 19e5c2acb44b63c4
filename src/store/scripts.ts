/**
 * What Redis does at one go, in Lua for Redis 5 and later: the rules of rate.ts and greylist.ts, of leases and
 * counters. The clock is Redis' own, so that all proxies have the same. Every key that is written is given an end.
 * Numbers are written with format: Lua's own way would lose digits of a date.
 */
import { EARLY } from "./rate.ts";

/** Sets `now`, milliseconds since 1970. */
export const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
`;

const WRITE = `
local function ttl(ms)
  return string.format('%.0f', math.max(1, math.ceil(ms)))
end
local function pair(text)
  local one, two = string.match(text, '^(%S+) (%S+)$')
  return tonumber(one), tonumber(two)
end
`;

/** A bucket is "level at". */
const LEVEL = `
local function level_now(kept, interval)
  if not kept then return 0 end
  local level, at = pair(kept)
  return math.max(0, level - math.max(0, now - at) / interval)
end
local function keep(key, level, interval)
  redis.call('SET', key, string.format('%.17g %.3f', level, now), 'PX', ttl(level * interval))
end
`;

/**
 * KEYS: the rates; ARGV: interval, burst and cost of each.
 * Answers the limiting rate's index or -1, the time until the draw would be allowed or -1 for never, and what is left
 * of each burst.
 */
const DRAW = `${CLOCK}${WRITE}${LEVEL}
local EARLY = ${EARLY}
local kept = redis.call('MGET', unpack(KEYS))
local filled, before, rates = {}, {}, {}
local limiting, longest = -1, 0
for i, key in ipairs(KEYS) do
  local interval, burst, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local level = filled[key] or level_now(kept[i], interval)
  local wait = (level + cost - burst) * interval
  if cost == 0 or wait <= EARLY then wait = 0 else wait = math.ceil(wait - EARLY / 2) end
  if cost > burst then wait = math.huge end
  if wait > longest then limiting, longest = i - 1, wait end
  filled[key] = level + cost
  before[i] = level
  rates[i] = { interval, burst, cost }
end
local answer = { limiting, longest == math.huge and -1 or longest }
for i, key in ipairs(KEYS) do
  local interval, burst, cost = unpack(rates[i])
  local level = before[i]
  if limiting == -1 then
    level = level + cost
    if cost > 0 then keep(key, filled[key], interval) end
  end
  answer[i + 2] = math.max(0, math.min(burst, math.floor(burst - level + EARLY / interval)))
end
return answer
`;

/** KEYS: the rates; ARGV: interval and cost of each. */
const REFUND = `${CLOCK}${WRITE}${LEVEL}
for i, key in ipairs(KEYS) do
  local interval, cost = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local kept = redis.call('GET', key)
  if kept and cost > 0 then
    local level = level_now(kept, interval) - cost
    if level > 0 then keep(key, level, interval) else redis.call('DEL', key) end
  end
end
return 0
`;

/** A triplet is "first passed", the latter 0 until it has. */
const TRIPLET = `
local function find(kept, window, memory)
  if not kept then return nil end
  local first, passed = pair(kept)
  if passed > 0 then
    if now - passed < memory then return first, passed end
    return nil
  end
  local age = now - first
  if age >= 0 and age < window then return first, passed end
end
local function remember(key, first, passed, ms)
  redis.call('SET', key, string.format('%.3f %.3f', first, passed), 'PX', ttl(ms))
end
`;

/** The states of a greylist answer, in the order of their numbers in the script's. */
export const STATES = ["new", "early", "matured", "passed", "allowed", "crowded"] as const;

/**
 * KEYS: the triplet, its group's passes, how many of the group were new; ARGV: delay, window, memory, passes, strangers,
 * period, "1" to remember a new one. Answers state, wait and age.
 */
const GREYLIST = `${CLOCK}${WRITE}${TRIPLET}
local delay, window, memory, passes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('MGET', KEYS[1], KEYS[2])
local first, passed = find(kept[1], window, memory)
local age = first and math.max(0, math.floor(now - first)) or 0
if first and passed > 0 then return { 3, 0, age } end
if passes > 0 and tonumber(kept[2] or 0) >= passes then return { 4, 0, age } end
if not first then
  if tonumber(redis.call('GET', KEYS[3]) or 0) >= tonumber(ARGV[5]) then return { 5, math.ceil(delay), 0 } end
  if ARGV[7] == '1' then
    if redis.call('INCR', KEYS[3]) == 1 then redis.call('PEXPIRE', KEYS[3], ttl(tonumber(ARGV[6]))) end
    remember(KEYS[1], now, 0, window)
  end
  return { 0, math.ceil(delay), 0 }
end
local wait = math.ceil(first + delay - now)
if wait > 0 then return { 1, wait, age } end
return { 2, 0, age }
`;

/** KEYS: the triplet, its group's passes; ARGV: window, memory. Answers the group's passes. */
const GREYLIST_PASS = `${CLOCK}${WRITE}${TRIPLET}
local window, memory = tonumber(ARGV[1]), tonumber(ARGV[2])
local first, passed = find(redis.call('GET', KEYS[1]), window, memory)
remember(KEYS[1], first or now, now, memory)
local passes = tonumber(redis.call('GET', KEYS[2]) or 0)
if not first or passed == 0 then passes = redis.call('INCR', KEYS[2]) end
if passes > 0 then redis.call('PEXPIRE', KEYS[2], ttl(memory)) end
return passes
`;

/** KEYS: a sorted set of holders by the end of their time; ARGV: holder, limit, ttl. Answers 1 or 0, and the count. */
const LEASE = `${CLOCK}${WRITE}
local holder, limit, ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.3f', now))
local held = redis.call('ZSCORE', KEYS[1], holder) or redis.call('ZCARD', KEYS[1]) < limit
if held then
  redis.call('ZADD', KEYS[1], string.format('%.3f', now + ms), holder)
  if redis.call('PTTL', KEYS[1]) < ms then redis.call('PEXPIRE', KEYS[1], ttl(ms)) end
end
return { held and 1 or 0, redis.call('ZCARD', KEYS[1]) }
`;

/** KEYS: the counter; ARGV: by, ttl, "1" for sliding. Answers the sum; INCRBY refuses what is no number. */
const COUNT = `
if ARGV[1] == '0' then
  return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('INCRBY', KEYS[1], 0) or 0
end
local fresh = redis.call('SET', KEYS[1], 0, 'PX', ARGV[2], 'NX')
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[3] == '1' and not fresh then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return sum
`;

/** KEYS: a sorted set as above; ARGV: holder. */
const RELEASE = `
return redis.call('ZREM', KEYS[1], ARGV[1])
`;

/** The scripts by name. */
export const SCRIPTS = {
  draw: DRAW,
  refund: REFUND,
  greylist: GREYLIST,
  greylistPass: GREYLIST_PASS,
  lease: LEASE,
  release: RELEASE,
  count: COUNT,
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/**
 * Several of the scripts in turn, each for itself: one that fails changes nothing for the others. But where Redis is a
 * replica all of it fails, so that whoever asks hears of it as from one script.
 * KEYS: those of all; ARGV: for each a name, the number of its keys and of its arguments, and these. Answers two values
 * for each: 1 and its answer, or 0 and why it failed.
 */
export const TOGETHER = `
local scripts = {}
${Object.entries(SCRIPTS).map(([name, lua]) => `scripts.${name} = function(KEYS, ARGV)${lua}end`).join("\n")}
local answers = {}
local key, arg = 0, 1
while ARGV[arg] do
  local keys, args = {}, {}
  for i = 1, tonumber(ARGV[arg + 1]) do keys[i] = KEYS[key + i] end
  for i = 1, tonumber(ARGV[arg + 2]) do args[i] = ARGV[arg + 2 + i] end
  local done, answer = pcall(scripts[ARGV[arg]], keys, args)
  if not done then
    local reason = type(answer) == 'table' and answer.err or tostring(answer)
    if string.find(reason, 'READONLY', 1, true) then return redis.error_reply(reason) end
    answer = reason
  end
  answers[#answers + 1] = done and 1 or 0
  answers[#answers + 1] = answer
  key, arg = key + #keys, arg + 3 + #args
end
return answers
`;
