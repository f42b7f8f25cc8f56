#include <gtest/gtest.h>

#include <locale>
#include <resilience/base/events.hpp>
#include <sstream>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace events_test {

std::string printed(const Event& event) {
    std::ostringstream out;
    out << event;
    return out.str();
}

TEST(Event, prints_as_one_line_of_logfmt_with_the_fields_of_its_kind) {
    struct Row {
        Event event;
        std::string_view line;
    };
    const std::vector<Row> rows{
        {{.kind = EventKind::transition,
          .name = "payment_api",
          .from = CircuitState::closed,
          .to = CircuitState::open,
          .cause = TransitionCause::failure_ratio,
          .generation = 8,
          .value = 0.575,
          .threshold = 0.5,
          .requests = 40,
          .retry_after = 60s},
         "level=warn kind=circuit_breaker name=payment_api event=transition from=closed to=open cause=failure_ratio "
         "failure_ratio=0.57 threshold=0.50 requests=40 retry_after_seconds=60 generation=8"},
        {{.kind = EventKind::transition,
          .name = "payment_api",
          .from = CircuitState::open,
          .to = CircuitState::half_open,
          .cause = TransitionCause::open_time_over,
          .generation = 9},
         "level=info kind=circuit_breaker name=payment_api event=transition from=open to=half_open "
         "cause=open_time_over generation=9"},
        {{.kind = EventKind::lease_reclaimed, .name = "a b", .took = 12500ms},
         "level=warn kind=circuit_breaker name=\"a b\" event=lease_reclaimed age_seconds=12.5"},
        {{.kind = EventKind::lever, .name = "x\nlevel=info"},
         "level=info kind=circuit_breaker name=\"x\\nlevel=info\" event=lever"},
        {{.kind = EventKind::limit_changed,
          .policy = PolicyKind::bulkhead,
          .name = "orders",
          .limit_before = 50,
          .limit_after = 2.5},
         "level=info kind=bulkhead name=orders event=limit_changed from=50 to=2.5"},
        {{.kind = EventKind::permitted, .policy = PolicyKind::rate_limiter},
         "level=info kind=rate_limiter event=permitted"},
        {{.kind = EventKind::refused,
          .policy = PolicyKind::rate_limiter,
          .name = "per_user",
          .retry_after = 100ms,
          .reason = RejectionReason::rate_limited},
         "level=warn kind=rate_limiter name=per_user event=refused reason=rate_limited retry_after_seconds=0.1"},
        {{.kind = EventKind::finished, .name = "a", .result = CallResult::timed_out, .took = 1ns},
         "level=info kind=circuit_breaker name=a event=finished result=timed_out took_seconds=1e-09"},
        {{.kind = EventKind::retry,
          .policy = PolicyKind::retry,
          .name = "reads",
          .retry_after = 200ms,
          .result = CallResult::failure,
          .attempt = 1},
         "level=info kind=retry name=reads event=retry result=failure attempt=1 retry_after_seconds=0.2"},
    };
    for (const auto& [event, line] : rows) EXPECT_EQ(printed(event), line);
}

TEST(Event, of_an_operation_prints_as_a_transition_that_names_it) {
    std::ostringstream out;
    out << Event{.kind = EventKind::operation_transition,
                 .name = "card_host",
                 .from = CircuitState::closed,
                 .to = CircuitState::open,
                 .cause = TransitionCause::failure_ratio,
                 .generation = 2,
                 .value = 1,
                 .threshold = 0.5,
                 .requests = 4,
                 .retry_after = 10s,
                 .operation = "pay now"};
    EXPECT_EQ(out.str(),
              "level=warn kind=circuit_breaker name=card_host event=operation_transition operation=\"pay now\" "
              "from=closed to=open cause=failure_ratio failure_ratio=1.00 threshold=0.50 requests=4 "
              "retry_after_seconds=10 generation=2");
}

TEST(Event, prints_the_same_whatever_the_stream_is_set_to) {
    struct Comma : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\3"; }
    };
    const Event event{.kind = EventKind::limit_changed, .name = "a", .limit_before = 12345.5, .limit_after = 1};
    std::ostringstream out;
    out.imbue(std::locale(std::locale::classic(), new Comma));
    out << std::hex << std::showbase << event;
    EXPECT_EQ(out.str(), printed(event));
}

}  // namespace events_test
