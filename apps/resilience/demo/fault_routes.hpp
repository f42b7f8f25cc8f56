#pragma once

// Faults by hand, over the admin port.
//
//     curl -X POST 'http://127.0.0.1:9911/demo/faults/payment?error=0.8&for=20s'
//     curl -X DELETE http://127.0.0.1:9911/demo/faults/payment
//     curl http://127.0.0.1:9911/demo/faults
//
// The words are those of fault.hpp. Everything wrong with a request is told at once, in a problem JSON with `problems`.

#include <resilience/http/http_route.hpp>
#include <vector>

#include "demo/upstream_set.hpp"

namespace resilience::demo {

// The upstreams must outlive the routes. What is done to one of them is done to the same one of each set; what is told
// is that of the first.
[[nodiscard]] std::vector<HttpRoute> fault_routes(const std::vector<const Upstreams*>& sets);

}  // namespace resilience::demo
