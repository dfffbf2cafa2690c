-- rill.websocket against the strict server: every rule of RFC 6455, and of RFC 7692 where
-- compression is agreed on, byte by byte.

local certificate = require("spec.support.certificate")
local node = require("spec.support.node")
local shell = require("spec.support.shell")
local strict = require("spec.websocket.strict")

-- What TLS may change: when how many bytes come and go, and how a connection ends.  It is C's: one
-- Lua shows it.
local TLS_GROUPS = {
  framing = true, fragmentation = true, ["pings and pongs"] = true, closing = true,
}
local VARIANT = os.getenv("RILL_VARIANT") or "5.4"
local has_tls = VARIANT == "5.4" or VARIANT == "5.4-san"
local seed = tonumber(os.getenv("RILL_SEED")) or os.time() % 1000000

describe("Strictly by RFC 6455", function()
  local server, cases, folder, over_tls
  local counts = {}

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    shell.assert_runs("mkdir " .. folder)
    certificate.make(folder)
    server = node.start("spec/websocket/server.mjs", ("--seed %d --tls %s"):format(seed, folder))
    local list = server:get("/cases")
    cases = list.cases
    over_tls = {
      url = "wss://127.0.0.1:" .. math.floor(list.tlsPort), ca_file = folder .. "/cert.pem",
    }
  end)

  teardown(function()
    server:stop()
    shell.assert_runs("rm -r " .. folder)
    local total, groups = 0, {}
    for group, count in pairs(counts) do
      total = total + count
      groups[#groups + 1] = ("%s %d"):format(group, count)
    end
    table.sort(groups)
    local sum = total == #cases and "%d cases, all strict" or "%d of " .. #cases .. " cases passed"
    io.stdout:write("\n" .. sum:format(total) .. (" (seed %d): "):format(seed)
      .. table.concat(groups, ", ") .. "\n")
  end)

  for _, group in ipairs({
    "framing", "pings and pongs", "reserved bits", "opcodes", "fragmentation", "UTF-8", "closing",
    "handshake", "compression", "mutations",
  }) do
    local function play(options)
      local mine = {}
      for _, its in ipairs(cases) do
        if its.group == group then
          mine[#mine + 1] = its
        end
      end
      assert.is_true(#mine > 10)
      local verdicts = strict.play(server, mine, options)
      assert.are.equal("", strict.describe(verdicts), "seed " .. seed)
      assert.are.equal(#mine, verdicts.passed)
      return #mine
    end

    it("passes every case of " .. group, function()
      counts[group] = play() -- not reached where one failed
    end)

    if has_tls and TLS_GROUPS[group] then
      it("passes every case over TLS of " .. group, function()
        play(over_tls)
      end)
    end
  end
end)
