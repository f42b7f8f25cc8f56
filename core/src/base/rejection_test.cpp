#include <gtest/gtest.h>

#include <resilience/base/rejection.hpp>
#include <sstream>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace rejection_test {

TEST(Rejection, prints_as_one_sentence) {
    struct Row {
        Rejection rejection;
        std::string_view sentence;
    };
    const std::vector<Row> rows{
        {{.reason = RejectionReason::circuit_open, .policy = "card_host", .retry_after = 9800ms},
         "rejected by circuit breaker \"card_host\": circuit open, retry after 9.8 s"},
        {{.reason = RejectionReason::forced_open, .policy = "card_host"},
         "rejected by circuit breaker \"card_host\": forced open"},
        {{.reason = RejectionReason::half_open_full}, "rejected by circuit breaker: half open full"},
        {{.reason = RejectionReason::queue_full, .kind = PolicyKind::bulkhead, .policy = "orders"},
         "rejected by bulkhead \"orders\": queue full"},
        {{.reason = RejectionReason::bulkhead_full, .kind = PolicyKind::bulkhead},
         "rejected by bulkhead: bulkhead full"},
        {{.reason = RejectionReason::exceeds_capacity,
          .kind = PolicyKind::rate_limiter,
          .policy = "per_user",
          .tokens_asked = 30,
          .capacity = 20},
         "rejected by rate limiter \"per_user\": 30 tokens asked, capacity 20: can never be granted"},
        {{.reason = RejectionReason::rate_limited, .kind = PolicyKind::rate_limiter, .retry_after = 0ns},
         "rejected by rate limiter: rate limited, retry after 0 s"},
        {{.reason = RejectionReason::deadline_exceeded, .kind = PolicyKind::pipeline},
         "rejected by pipeline: deadline exceeded"},
        {{.reason = RejectionReason::shutting_down, .kind = PolicyKind::bulkhead, .policy = "a\"b\nc\\"},
         "rejected by bulkhead \"a\\\"b\\nc\\\\\": shutting down"},
    };
    for (const auto& [rejection, sentence] : rows) {
        EXPECT_EQ(to_string(rejection), sentence);
        std::ostringstream out;
        out << rejection;
        EXPECT_EQ(out.str(), sentence);
    }
}

TEST(Rejection, is_compared_by_all_its_parts) {
    const Rejection one{.reason = RejectionReason::rate_limited, .policy = "a", .retry_after = 1s};
    Rejection other = one;
    EXPECT_EQ(one, other);
    other.retry_after = 2s;
    EXPECT_NE(one, other);
    other = one;
    other.policy = "b";
    EXPECT_NE(one, other);
}

}  // namespace rejection_test
