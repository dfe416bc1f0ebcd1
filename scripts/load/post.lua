-- POSTs small YAML jobs of two tasks, to a queue that no runner serves
dofile(os.getenv("LOAD") .. "/common.lua")
local words = {"alpha","bravo","charlie","delta","echo","foxtrot","golf","hotel","india","juliet","kilo","lima"}
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/yaml"
function request()
  number = number + 1
  local a, b = words[math.random(#words)], words[math.random(#words)]
  return wrk.format(nil, nil, nil, string.format("name: %s %s job %d\ndescription: nightly %s run\ntags: [%s]\n" ..
    "tasks:\n  - name: first step\n    image: busybox:stable\n    queue: parked\n    run: echo hello %s\n" ..
    "  - name: second step\n    image: busybox:stable\n    queue: parked\n    run: echo bye %s\n", a, b, number, b, a, a, b))
end
