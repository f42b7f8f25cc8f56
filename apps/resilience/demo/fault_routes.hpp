#pragma once

// Faults by hand, over the admin port.
//
//     curl -X POST 'http://127.0.0.1:9911/demo/faults/payment?error=0.8&for=20s'
//     curl -X DELETE http://127.0.0.1:9911/demo/faults/payment
//     curl http://127.0.0.1:9911/demo/faults
//
// The words are those of fault.hpp. Everything wrong with a request is told at once, in a problem JSON with `problems`.

#include <memory>
#include <resilience/http/http_route.hpp>
#include <vector>

#include "demo/upstream.hpp"

namespace resilience::demo {

using Upstreams = std::vector<std::unique_ptr<Upstream>>;  // in the order of UpstreamId

// The upstreams must outlive the routes.
[[nodiscard]] std::vector<HttpRoute> fault_routes(Upstreams& upstreams);

}  // namespace resilience::demo
