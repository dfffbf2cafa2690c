-- SPDX-License-Identifier: MIT
--
-- rill: streams the answers of language models.  The public names and nothing else; what a program
-- does not use is not loaded.

local rill = { version = "0.1.0" }

--- Makes a client of a gateway.
-- Wrong options raise; a key that is needed and not there raises an error of kind `config`.
---@param options rill.ClientOptions
---@return rill.Client
function rill.client(options)
  local client = require("rill.client").new(options)
  return client
end

--- Opens a WebSocket.  Wrong options raise.
-- The object is there at once; it connects, answers pings and reads while something of rill's waits
-- or `rill.step` runs, see docs/websocket.md.
---@param url string ws:// or wss://
---@param options rill.WebSocketOptions?
---@return rill.WebSocket
function rill.websocket(url, options)
  local ws = require("rill.websocket").new(url, options)
  return ws
end

--- Starts a task: a function whose streams wait without holding up the others.
-- It begins with the next `rill.run`, `rill.step` or wait for a stream.  An error in it is raised
-- by `rill.run` or `rill.step`.
---@param fn function
---@param ... any its arguments
function rill.go(fn, ...)
  require("rill.loops.tasks").go(fn, ...)
  return nil
end

--- Runs until every task has finished.
-- The first error of a task is raised once all have finished: an error object as it is, a string
-- with its traceback.
function rill.run()
  require("rill.loops.tasks").run(require("rill.core").engine())
  return nil
end

--- Says which loop waits: "cqueues", "copas", "luv", "resty", or "plain" for waiting in C; nil: it
-- is found out anew at each wait.  A client's option `loop` does the same for that client.
---@param name string?
---@param options table? what the loop can be told; see docs/loops.md
function rill.use(name, options)
  local problem = require("rill.loops").use(name, options)
  if problem then
    error("rill.use: " .. problem, 2)
  end
  return nil
end

local function budget_of(options)
  if type(options) ~= "table" then
    error("rill.step: argument 2 must be a table such as { budget = 0.002 }", 3)
  end
  for name in pairs(options) do
    if name ~= "budget" then
      error("rill.step: " .. require("rill.options").unknown(name, { budget = true }), 3)
    end
  end
  local budget = options.budget
  if budget ~= nil and not (type(budget) == "number" and budget > 0) then
    error("rill.step: option 'budget' must be a positive number of seconds", 3)
  end
  return budget
end

--- Lets everything progress once: transfers, then the tasks that can go on.
-- With `{ budget = seconds }` nothing more is begun once so much time is used up: the sockets and
-- tasks that had no turn have it first the next time.  What has begun is not interrupted.
---@param seconds number? how long to wait at most for something to do; default 0: not at all
---@param options { budget: number? }?
---@return integer tasks how many have not finished
---@return integer left how many of them could go on and had no turn
function rill.step(seconds, options)
  local budget = options ~= nil and budget_of(options) or nil
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("rill.step: argument 1 must be a number of seconds that is not negative", 2)
  end
  if seconds == math.huge then
    seconds = nil
  else
    seconds = seconds or 0
  end
  return require("rill.loops.tasks").step(require("rill.core").engine(), seconds, budget)
end

--- The engine of this Lua state: `fd()`, `step(seconds)`, `timeout()`; see docs/architecture.md.
---@return rill.Engine
function rill.engine()
  return (require("rill.core").engine())
end

--- A parser of server-sent events for any transport: `feed(bytes)`, `next()`, `finish()`.
---@param ... any
---@return rill.SseParser
function rill.sse_parser(...)
  return (require("rill.core").sse_parser(...))
end

--- A cache in memory for the option `cache` of clients.
---@param options table? { entries?: integer, bytes?: integer, ttl?: number, clock?: function }
---@return rill.MemoryCache
function rill.memory_cache(options)
  local cache = require("rill.memory_cache")(options)
  return cache
end

--- A parser of JSON that is still coming: `feed(piece)`, `value()`, `finish()`; see
--- rill/json_growing.lua.  `stream:json()` reads with one.
---@return rill.GrowingJson
function rill.json_parser()
  return (require("rill.json_growing").new(require("rill.json").default().decode))
end

--- Uses another JSON codec than lua-cjson: { encode, decode, null }; nil goes back to lua-cjson.
-- A client's option `json` does the same for that client.
---@param codec rill.Codec?
function rill.use_json(codec)
  require("rill.json").use(codec)
  return nil
end

return rill
