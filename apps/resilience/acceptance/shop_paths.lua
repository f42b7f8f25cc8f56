-- For wrk: asks the shop's three departments in turn.
local paths = {"/stock", "/recommendations", "/pay"}
local count = 0

request = function()
    count = count + 1
    return wrk.format("GET", paths[count % #paths + 1])
end
