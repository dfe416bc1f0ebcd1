-- counts answers that are not 200, and prints one line that the benchmark reads
local bad, threads = 0, {}
function response(status) if status ~= 200 then bad = bad + 1; wrk.thread:set("bad", bad) end end
function setup(thread) table.insert(threads, thread) end
function done(summary, latency)
  local all = 0
  for _, thread in ipairs(threads) do all = all + (thread:get("bad") or 0) end
  io.write(string.format("RESULT %d %d %.2f %.2f %.2f\n", summary.requests, all,
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
