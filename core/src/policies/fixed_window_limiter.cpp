#include "window_limiter_bodies.hpp"

#include <resilience/policies/fixed_window_limiter.hpp>

namespace resilience::inline v1 {

template <>
constexpr std::string_view window_kind<FixedWindow> = "fixed window limiter";

template class LimiterInLine<FixedWindow>;
template class WindowLimiter<FixedWindow>;

}  // namespace resilience::inline v1
