-- SPDX-License-Identifier: MIT
--
-- Medians, ratios, Markdown tables and targets of the bench, and what machine it ran on.  A
-- measurement is a list over repeats; ratios are taken repeat by repeat, so that what slows the
-- machine for a while slows both sides of one.

local report = {}

local targets = {} -- { what, value, limit, ... } in the order of their scenarios

--- The median of the numbers of a list; what is not a number does not count.
function report.median(list)
  local sorted = {}
  for _, value in ipairs(list) do
    sorted[#sorted + 1] = value == value and value or nil
  end
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  if #sorted == 0 then
    return 0 / 0
  end
  return (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2
end

--- The median of one field over repeats.
function report.median_of(measurements, field)
  local list = {}
  for _, measured in ipairs(measurements) do
    list[#list + 1] = measured[field]
  end
  return report.median(list)
end

--- Median, smallest and largest of a[i][field] / b[i][field].
function report.ratio(a, b, field)
  local list, smallest, largest = {}, math.huge, -math.huge
  for i, measured in ipairs(a) do
    local other = b[i] and b[i][field]
    if measured[field] and other and other > 0 then
      local ratio = measured[field] / other
      list[#list + 1] = ratio
      smallest, largest = math.min(smallest, ratio), math.max(largest, ratio)
    end
  end
  return report.median(list), smallest, largest
end

--- Median of a[i][field] - b[i][field].
function report.difference(a, b, field)
  local list = {}
  for i, measured in ipairs(a) do
    local other = b[i] and b[i][field]
    if measured[field] and other then
      list[#list + 1] = measured[field] - other
    end
  end
  return report.median(list)
end

--- Prints a table.
-- columns: { { heading, field, format }, ... }; rows: { { name, measurements }, ... }; bases: names
-- of rows to divide by, after ratio_field.
function report.table(title, columns, rows, ratio_field, bases)
  io.write("\n### ", title, "\n\n| client |")
  local by_name, rule = {}, "|---|"
  for _, row in ipairs(rows) do
    by_name[row[1]] = row[2]
  end
  for _, column in ipairs(columns) do
    io.write(" ", column[1], " |")
    rule = rule .. "--:|"
  end
  for _, base in ipairs(bases or {}) do
    if by_name[base] then
      io.write(" x ", base, " (from to) |")
      rule = rule .. "--:|"
    end
  end
  io.write("\n", rule, "\n")
  for _, row in ipairs(rows) do
    local name, measurements = row[1], row[2]
    io.write("| ", name, " |")
    for _, column in ipairs(columns) do
      io.write(" ", column[3]:format(report.median_of(measurements, column[2])), " |")
    end
    for _, base in ipairs(bases or {}) do
      if by_name[base] then
        io.write((" %.2f (%.2f %.2f) |"):format(
          report.ratio(measurements, by_name[base], ratio_field)))
      end
    end
    io.write("\n")
  end
  io.write("\n")
  io.flush()
end

local function is_met(target)
  if target.relation == "at most" then
    return target.value <= target.limit
  elseif target.relation == "at least" then
    return target.value >= target.limit
  end
  return target.value == target.limit
end

--- Prints a figure beside its target, and keeps it for the summary.
---@param what string
---@param value number
---@param relation "at most"|"at least"|"exactly"
---@param limit number
---@param format string? of both numbers
function report.target(what, value, relation, limit, format)
  local target = {
    what = what, value = value, relation = relation, limit = limit, format = format or "%.2f",
  }
  targets[#targets + 1] = target
  io.write(("- %s: **%s**, target %s %s: %s\n"):format(what, target.format:format(value),
    relation, target.format:format(limit), is_met(target) and "met" or "missed"))
  io.flush()
end

function report.note(...)
  io.write("- ", table.concat({ ... }), "\n")
  io.flush()
end

--- Prints all targets once more.
function report.summary()
  if #targets == 0 then
    return
  end
  io.write("\n### Targets\n\n| what | measured | target | |\n|---|--:|--:|---|\n")
  local missed = 0
  for _, target in ipairs(targets) do
    missed = missed + (is_met(target) and 0 or 1)
    io.write(("| %s | %s | %s %s | %s |\n"):format(target.what, target.format:format(target.value),
      target.relation, target.format:format(target.limit), is_met(target) and "met" or "missed"))
  end
  io.write(("\n%d of %d met.\n"):format(#targets - missed, #targets))
end

local function first_line(command)
  local pipe = io.popen(command .. " 2>&1")
  local line = pipe:read("*l") or ""
  pipe:close()
  return not line:find("not found", 1, true) and line or nil
end

local function contents(path)
  local file = io.open(path)
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

function report.load()
  return contents("/proc/loadavg"):match("^(%S+)") or "?"
end

--- Prints where and with what this runs.
function report.header(programs)
  local _, processors = contents("/proc/cpuinfo"):gsub("\nprocessor", "")
  local versions = {}
  for _, command in ipairs(programs) do
    versions[#versions + 1] = first_line(command)
  end
  io.write("Machine: ", contents("/proc/cpuinfo"):match("model name%s*: ([^\n]*)") or "?", ", ",
    processors + 1, " processors, Linux ",
    contents("/proc/sys/kernel/osrelease"):match("%S+") or "?", "\n\nVersions: ",
    table.concat(versions, "; "), "\n\nDate: ", os.date("!%Y-%m-%d %H:%M UTC"),
    "; load at the start: ", report.load(), "\n")
  io.flush()
end

return report
