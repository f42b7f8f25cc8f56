#include <gtest/gtest.h>

#include <resilience/base/call_context.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace call_context_test {

TEST(CallContext, without_a_deadline_has_all_the_time_there_is) {
    CallContext call;
    EXPECT_EQ(call.deadline(), never);
    EXPECT_EQ(call.remaining(), Duration::max());
    EXPECT_EQ(call.attempt(), 1U);
    EXPECT_FALSE(call.stop_token().stop_possible());
}

TEST(CallContext, remaining_time_follows_the_drivers_clock_and_ends_at_zero) {
    static constexpr CallContext::Services driver{
        .now = [](const void* of) noexcept { return *static_cast<const TimePoint*>(of); },
        .stop_token = [](void*) { return std::stop_token{}; }};
    CallContext call{TimePoint{1s}, TimePoint{5s}, Priority::critical, 3};
    TimePoint now{2s};
    call.serve_from(driver, &now);
    EXPECT_EQ(call.remaining(), 3s);
    now = TimePoint{9s};
    EXPECT_EQ(call.remaining(), 0s);
    EXPECT_EQ(call.started(), TimePoint{1s});
    EXPECT_EQ(call.priority(), Priority::critical);
    EXPECT_EQ(call.tokens(), 3U);
}

TEST(CallContext, the_stop_token_is_the_drivers) {
    static constexpr CallContext::Services driver{
        .now = [](const void*) noexcept { return TimePoint{}; },
        .stop_token = [](void* of) { return static_cast<std::stop_source*>(of)->get_token(); }};
    CallContext call;
    std::stop_source source;
    call.serve_from(driver, &source);
    EXPECT_FALSE(call.stop_token().stop_requested());
    source.request_stop();
    EXPECT_TRUE(call.stop_token().stop_requested());
}

}  // namespace call_context_test
