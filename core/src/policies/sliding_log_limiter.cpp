#include "window_limiter_bodies.hpp"

#include <resilience/policies/sliding_log_limiter.hpp>

namespace resilience::inline v1 {

template <>
constexpr std::string_view window_kind<SlidingLog> = "sliding log limiter";

template class LimiterInLine<SlidingLog>;
template class WindowLimiter<SlidingLog>;

}  // namespace resilience::inline v1
