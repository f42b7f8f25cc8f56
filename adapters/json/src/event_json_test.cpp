#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <resilience/json/json.hpp>
#include <string>

namespace event_json_test {

using namespace resilience;
using namespace std::chrono_literals;

constexpr std::chrono::system_clock::time_point noon{1'767'614'400'250ms};  // 2026-01-05T12:00:00.250Z

Event about(EventKind kind, PolicyKind policy, std::string_view name) {
    Event event;
    event.kind = kind;
    event.policy = policy;
    event.name = name;
    event.sequence = 17;
    return event;
}

TEST(EventJson, of_a_transition_names_cause_and_figures) {
    Event event = about(EventKind::transition, PolicyKind::circuit_breaker, "payment_api");
    event.from = CircuitState::closed;
    event.to = CircuitState::open;
    event.cause = TransitionCause::failure_ratio;
    event.value = 0.575;
    event.threshold = 0.5;
    event.requests = 40;
    event.retry_after = 60s;
    event.generation = 8;
    EXPECT_EQ(to_json_text(event, noon),
              R"({"time":"2026-01-05T12:00:00.250Z","event":"transition","kind":"circuit_breaker",)"
              R"("name":"payment_api","from":"closed","to":"open","cause":"failure_ratio","value":0.575,)"
              R"("threshold":0.5,"requests":40,"retry_after_seconds":60.0,"generation":8,"sequence":17})");
}

TEST(EventJson, of_an_open_period_that_health_probes_ended_says_how_many) {
    Event event = about(EventKind::transition, PolicyKind::circuit_breaker, "a");
    event.cause = TransitionCause::health_probes;
    event.requests = 5;
    EXPECT_EQ(nlohmann::json::parse(to_json_text(event, noon)).at("requests"), 5);
}

TEST(EventJson, of_a_transition_by_time_or_hand_has_no_figures) {
    for (const auto cause : {TransitionCause::open_time_over, TransitionCause::lever, TransitionCause::lever_expired}) {
        Event event = about(EventKind::transition, PolicyKind::circuit_breaker, "a");
        event.cause = cause;
        const auto line = nlohmann::json::parse(to_json_text(event, noon));
        for (const char* key : {"value", "threshold", "requests", "retry_after_seconds"}) {
            EXPECT_TRUE(line.at(key).is_null()) << to_string(cause) << ' ' << key;
        }
    }
}

TEST(EventJson, of_each_other_kind_holds_its_own_fields_only) {
    struct Row {
        EventKind kind;
        const char* fields;
    };
    const Row rows[] = {
        {EventKind::lease_reclaimed, R"("age_seconds":1.5,)"},
        {EventKind::lever, ""},
        {EventKind::operation_transition,
         R"("operation":"charge","from":"closed","to":"closed","cause":"failure_ratio","value":0.0,"threshold":0.0,)"
         R"("requests":0,"retry_after_seconds":0.25,"generation":0,)"},
        {EventKind::limit_changed, R"("from":50.0,"to":20.0,)"},
        {EventKind::permitted, ""},
        {EventKind::refused, R"("reason":"bulkhead_full","retry_after_seconds":0.25,)"},
        {EventKind::finished, R"("result":"timed_out","took_seconds":1.5,)"},
        {EventKind::retry, R"("attempt":2,"result":"timed_out","retry_after_seconds":0.25,)"},
    };
    for (const auto& row : rows) {
        Event event = about(row.kind, PolicyKind::bulkhead, "b");
        event.retry_after = 250ms;
        event.operation = "charge";
        event.reason = RejectionReason::bulkhead_full;
        event.result = CallResult::timed_out;
        event.took = 1500ms;
        event.attempt = 2;
        event.limit_before = 50;
        event.limit_after = 20;
        EXPECT_EQ(to_json_text(event, noon),
                  R"({"time":"2026-01-05T12:00:00.250Z","event":")" + std::string(to_string(row.kind)) +
                      R"(","kind":"bulkhead","name":"b",)" + row.fields + R"("sequence":17})");
    }
}

TEST(EventJson, stays_on_one_line_whatever_the_name) {
    const std::string name = "a\"b\\c\nd\x01</script>";
    const auto text = to_json_text(about(EventKind::permitted, PolicyKind::bulkhead, name), noon);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(text).at("name"), name);
}

TEST(EventJson, never_writes_a_number_that_is_none) {
    Event event = about(EventKind::transition, PolicyKind::circuit_breaker, "a");
    event.value = std::nan("");
    EXPECT_TRUE(nlohmann::json::parse(to_json_text(event, noon)).at("value").is_null());
}

TEST(EventJson, cuts_milliseconds_and_knows_times_before_1970) {
    const auto time_of = [](std::chrono::system_clock::time_point time) {
        return nlohmann::json::parse(to_json_text(Event{}, time)).at("time").get<std::string>();
    };
    EXPECT_EQ(time_of(noon + 999us), "2026-01-05T12:00:00.250Z");
    EXPECT_EQ(time_of(std::chrono::system_clock::time_point{-1us}), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(time_of(std::chrono::system_clock::time_point{1'709'164'800s}), "2024-02-29T00:00:00.000Z");
}

TEST(EventJson, without_a_time_takes_the_present) {
    const auto before = to_json_text(Event{}, std::chrono::system_clock::now()).substr(0, 33);
    const auto text = to_json_text(Event{}).substr(0, 33);
    const auto after = to_json_text(Event{}, std::chrono::system_clock::now()).substr(0, 33);
    EXPECT_LE(before, text);
    EXPECT_LE(text, after);
}

}  // namespace event_json_test
