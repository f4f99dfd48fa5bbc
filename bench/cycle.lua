-- wrk's script: sends the requests in a file (separated by NUL), one after the other, over and over.
-- Arguments: the file, how many of them to skip at first, and after how many answers to stop (0: at the end of the time).
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int, int);")

local INTERRUPT = 2
local requests, at = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("%Z+") do
    requests[#requests + 1] = request
  end
  file:close()
  at = tonumber(args[2]) % #requests
  local left = tonumber(args[3])
  if left > 0 then
    -- Only then: wrk hands every answer to a script that has this function.
    function response()
      left = left - 1
      if left == 0 then
        wrk.thread:stop()
        ffi.C.kill(ffi.C.getpid(), INTERRUPT) -- wakes wrk's main thread, which else sleeps until the time is over
      end
    end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\n%d %d %d\n", summary.requests, summary.duration, failed))
end
