#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <resilience/base/version.hpp>
#include <resilience/json/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace stats_json_test {

using namespace resilience;
using namespace std::chrono_literals;
using Parsed = nlohmann::json;

CircuitBreakerStats::Window measured_window() {
    return {.requests = 40,
            .failures = 23,
            .slow = 2,
            .slow_failures = 1,
            .total_duration = 20'300ms,
            .average_duration = 507'500us,
            .failure_ratio = 0.575,
            .slow_ratio = 0.05,
            .failure_threshold = 0.5,
            .slow_call_ratio = 0.5,
            .min_requests = 10};
}

ResilienceStats one_of_each() {
    ResilienceStats stats;
    stats.service = "checkout";
    stats.taken = std::chrono::system_clock::time_point{1'767'614'400'250ms};  // 2026-01-05T12:00:00.250Z
    stats.uptime = 812'400ms;
    auto& breaker = stats.circuit_breakers["payment_api"];
    breaker.state = CircuitState::open;
    breaker.in_state = 12'400ms;
    breaker.not_closed = 40s;
    breaker.retry_after = 47'600ms;
    breaker.generation = 8;
    breaker.window = measured_window();
    breaker.slow = 3;
    breaker.hook_exceptions = 4;
    breaker.half_open.max_calls = 5;
    breaker.half_open.success_threshold = 5;
    breaker.rejected.circuit_open = 250;
    breaker.requests = 1200;
    breaker.admitted = 950;
    breaker.success = 900;
    breaker.failure = 48;
    breaker.ignored = 2;
    breaker.transitions = {{CircuitState::closed, CircuitState::open, 3},
                           {CircuitState::open, CircuitState::half_open, 2}};
    auto& limiter = stats.rate_limiters["payment_api"];
    limiter.capacity = 1000;
    limiter.refill_rate = 100;
    limiter.available_tokens = 412;
    limiter.requests = 9000;
    limiter.admitted = 8950;
    limiter.waiting = 2;
    limiter.rejected.rate_limited = 50;
    auto& bulkhead = stats.bulkheads["payment_api"];
    bulkhead.in_use = 12;
    bulkhead.max_concurrent = 50;
    bulkhead.queue_size = 10;
    bulkhead.queue_depth = 3;
    bulkhead.oldest_waiter = 250ms;
    LatencyHistogram waits;
    for (const Duration waited : {0ms, 0ms, 0ms, 40ms}) waits.add(waited);
    bulkhead.wait = waits.picture();
    bulkhead.partitions = {{.name = "check\"out",
                            .reserved = 2,
                            .reserved_in_use = 2,
                            .shared_in_use = 1,
                            .requests = 9,
                            .admitted_reserved = 5,
                            .admitted_shared = 3,
                            .rejected = 1}};
    stats.retries["reads"].success_first = 880;
    stats.retries["reads"].budget_rejections = 6;
    stats.retries["reads"].budget = {.balance = 7.5, .capacity = 10};
    stats.rate_limiters["payment_api"].oldest_waiter = 1500ms;
    return stats;
}

std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items()) keys.push_back(key);
    return keys;
}

TEST(StatsJson, has_the_promised_keys_in_order) {
    const auto document = nlohmann::ordered_json::parse(to_json_text(one_of_each()));
    using Keys = std::vector<std::string>;
    EXPECT_EQ(keys_of(document), (Keys{"format", "service", "version", "time", "uptime_seconds", "health",
                                       "circuit_breakers", "rate_limiters", "bulkheads", "retries"}));
    EXPECT_EQ(keys_of(document["health"]), (Keys{"status", "ready", "open_circuits", "max_open_circuits", "reasons"}));
    EXPECT_EQ(keys_of(document["circuit_breakers"]["payment_api"]["rejected_total"]),
              (Keys{"circuit_open", "half_open_full", "forced_open", "throttled"}));
    EXPECT_EQ(keys_of(document["rate_limiters"]["payment_api"]["rejected_total"]),
              (Keys{"rate_limited", "exceeds_capacity", "queue_full", "queue_timeout", "deadline_exceeded", "cancelled",
                    "shutting_down"}));
    EXPECT_EQ(
        keys_of(document["bulkheads"]["payment_api"]["rejected_total"]),
        (Keys{"bulkhead_full", "queue_full", "queue_timeout", "deadline_exceeded", "cancelled", "shutting_down"}));
    EXPECT_EQ(keys_of(document["retries"]["reads"]["calls_total"]),
              (Keys{"success_first", "success_retried", "exhausted", "not_retryable", "gave_up"}));
}

TEST(StatsJson, has_no_durations_of_a_window_where_they_are_not_summed) {
    ResilienceStats stats = one_of_each();
    auto& window = stats.circuit_breakers["payment_api"].window;
    const char* const keys[] = {"slow_failures", "duration_total_seconds", "duration_average_seconds"};
    window = {.slow_call_ratio = 0.5};
    const auto of_no_call = Parsed::parse(to_json_text(stats))["circuit_breakers"]["payment_api"]["window"];
    EXPECT_EQ(of_no_call[keys[1]], 0);
    EXPECT_EQ(of_no_call[keys[2]], nullptr);
    window = {.requests = 2};
    const auto off = Parsed::parse(to_json_text(stats))["circuit_breakers"]["payment_api"]["window"];
    for (const char* key : keys) EXPECT_EQ(off.at(key), nullptr) << key;
}

TEST(StatsJson, says_what_the_stats_say) {
    struct Row {
        const char* pointer;
        Parsed value;
    };
    const Row rows[] = {
        {"/format", 1},
        {"/service", "checkout"},
        {"/version", library_version},
        {"/time", "2026-01-05T12:00:00.250Z"},
        {"/uptime_seconds", 812.4},
        {"/health/open_circuits", 1},
        {"/health/max_open_circuits", 3},
        {"/circuit_breakers/payment_api/state", "open"},
        {"/circuit_breakers/payment_api/state_seconds", 12.4},
        {"/circuit_breakers/payment_api/criticality", "normal"},
        {"/circuit_breakers/payment_api/not_closed_seconds", 40},
        {"/circuit_breakers/payment_api/retry_after_seconds", 47.6},
        {"/circuit_breakers/payment_api/manual", false},
        {"/circuit_breakers/payment_api/generation", 8},
        {"/circuit_breakers/payment_api/window/failure_ratio", 0.575},
        {"/circuit_breakers/payment_api/window/failure_threshold", 0.5},
        {"/circuit_breakers/payment_api/window/min_requests", 10},
        {"/circuit_breakers/payment_api/window/slow", 2},
        {"/circuit_breakers/payment_api/window/slow_failures", 1},
        {"/circuit_breakers/payment_api/window/duration_total_seconds", 20.3},
        {"/circuit_breakers/payment_api/window/duration_average_seconds", 0.5075},
        {"/circuit_breakers/payment_api/window/slow_ratio", 0.05},
        {"/circuit_breakers/payment_api/slow_total", 3},
        {"/circuit_breakers/payment_api/hook_exceptions_total", 4},
        {"/circuit_breakers/payment_api/half_open/max_calls", 5},
        {"/circuit_breakers/payment_api/half_open/oldest_probe_seconds", nullptr},
        {"/circuit_breakers/payment_api/requests_total", 1200},
        {"/circuit_breakers/payment_api/admitted_total", 950},
        {"/circuit_breakers/payment_api/rejected_total/circuit_open", 250},
        {"/circuit_breakers/payment_api/rejected_total/half_open_full", 0},
        {"/circuit_breakers/payment_api/success_total", 900},
        {"/circuit_breakers/payment_api/failure_total", 48},
        {"/circuit_breakers/payment_api/ignored_total", 2},
        {"/circuit_breakers/payment_api/in_flight", 0},
        {"/circuit_breakers/payment_api/transitions_total/closed_to_open", 3},
        {"/circuit_breakers/payment_api/transitions_total/open_to_half_open", 2},
        {"/rate_limiters/payment_api/capacity", 1000},
        {"/rate_limiters/payment_api/available_tokens", 412},
        {"/rate_limiters/payment_api/refill_rate_per_second", 100},
        {"/rate_limiters/payment_api/rejected_total/rate_limited", 50},
        {"/rate_limiters/payment_api/retry_after_seconds", 0},
        {"/bulkheads/payment_api/in_use", 12},
        {"/bulkheads/payment_api/max_concurrent", 50},
        {"/bulkheads/payment_api/queue_size", 10},
        {"/bulkheads/payment_api/queue_depth", 3},
        {"/bulkheads/payment_api/oldest_waiter_seconds", 0.25},
        {"/rate_limiters/payment_api/waiting", 2},
        {"/retries/reads/calls_total/success_first", 880},
    };
    const auto document = Parsed::parse(to_json_text(one_of_each()));
    for (const auto& row : rows) {
        EXPECT_EQ(document.at(Parsed::json_pointer(row.pointer)), row.value) << row.pointer;
    }
}

TEST(StatsJson, has_health_probes_where_a_probe_was_set_only) {
    ResilienceStats stats = one_of_each();
    const char* const key = "/circuit_breakers/payment_api/health_probes";
    EXPECT_FALSE(Parsed::parse(to_json_text(stats)).contains(Parsed::json_pointer(key)));
    stats.circuit_breakers["payment_api"].health_probes = {
        .sent = 21, .succeeded = 6, .failed = 5, .timed_out = 4, .undecided = 3, .overlapped = 2};
    EXPECT_EQ(Parsed::parse(to_json_text(stats)).at(Parsed::json_pointer(key)), Parsed::parse(R"({"sent_total":21,
        "succeeded_total":6,"failed_total":5,"timed_out_total":4,"undecided_total":3,"overlapped_total":2})"));
}

TEST(StatsJson, says_what_waits_who_has_places_reserved_and_what_a_budget_has_left) {
    const std::pair<const char*, Parsed> rows[] = {
        {"/bulkheads/payment_api/wait_seconds/p50", 0.00001},  // the edge of the first bucket
        {"/bulkheads/payment_api/wait_seconds/max", 0.04},
        {"/bulkheads/payment_api/partitions/check\"out/reserved", 2},
        {"/bulkheads/payment_api/partitions/check\"out/reserved_in_use", 2},
        {"/bulkheads/payment_api/partitions/check\"out/shared_in_use", 1},
        {"/bulkheads/payment_api/partitions/check\"out/requests_total", 9},
        {"/bulkheads/payment_api/partitions/check\"out/admitted_total/reserved", 5},
        {"/bulkheads/payment_api/partitions/check\"out/admitted_total/shared", 3},
        {"/bulkheads/payment_api/partitions/check\"out/rejected_total", 1},
        {"/rate_limiters/payment_api/oldest_waiter_seconds", 1.5},
        {"/retries/reads/budget_rejections_total", 6},
        {"/retries/reads/budget/balance", 7.5},
        {"/retries/reads/budget/capacity", 10},
    };
    const auto document = Parsed::parse(to_json_text(one_of_each()));
    for (const auto& [pointer, value] : rows) EXPECT_EQ(document.at(Parsed::json_pointer(pointer)), value) << pointer;
}

TEST(StatsJson, writes_what_does_not_exist_as_null) {
    ResilienceStats stats;
    stats.circuit_breakers["fresh"];
    const auto breaker = Parsed::parse(to_json_text(stats))["circuit_breakers"]["fresh"];
    for (const char* key : {"not_closed_seconds", "retry_after_seconds", "lever_expires_seconds"}) {
        EXPECT_TRUE(breaker.at(key).is_null()) << key;
    }
    EXPECT_TRUE(breaker.at("window").at("failure_ratio").is_null());
    EXPECT_TRUE(breaker.at("half_open").at("oldest_probe_seconds").is_null());
    stats.bulkheads["fresh"];
    stats.rate_limiters["fresh"];
    stats.retries["fresh"];
    const auto document = Parsed::parse(to_json_text(stats));
    EXPECT_TRUE(document["bulkheads"]["fresh"].at("oldest_waiter_seconds").is_null());
    EXPECT_TRUE(document["bulkheads"]["fresh"].at("wait_seconds").is_null());
    EXPECT_EQ(document["bulkheads"]["fresh"].at("partitions"), Parsed::object());
    EXPECT_TRUE(document["rate_limiters"]["fresh"].at("oldest_waiter_seconds").is_null());
    EXPECT_TRUE(document["retries"]["fresh"].at("budget").is_null());
    const Parsed health = Parsed::parse(to_json_text(stats, HealthRules{.max_open_circuits = std::nullopt}))["health"];
    EXPECT_TRUE(health.at("max_open_circuits").is_null());
}

TEST(StatsJson, says_how_critical_each_circuit_is_by_the_rules_it_was_judged_by) {
    const HealthRules rules{.dependencies = {{"payment_api", Criticality::critical}}};
    const auto document = Parsed::parse(to_json_text(one_of_each(), rules));
    EXPECT_EQ(document["circuit_breakers"]["payment_api"]["criticality"], "critical");
    EXPECT_EQ(document["health"]["status"], "failing");
    const auto unjudged = Parsed::parse(to_json_text(one_of_each(), Health{}));
    EXPECT_EQ(unjudged["circuit_breakers"]["payment_api"]["criticality"], "normal");
}

TEST(StatsJson, never_writes_a_number_that_is_none) {
    auto stats = one_of_each();
    stats.circuit_breakers["payment_api"].window.failure_ratio = std::nan("");
    stats.rate_limiters["payment_api"].refill_rate = std::numeric_limits<double>::infinity();
    const auto document = Parsed::parse(to_json_text(stats));
    EXPECT_TRUE(document["circuit_breakers"]["payment_api"]["window"]["failure_ratio"].is_null());
    EXPECT_TRUE(document["rate_limiters"]["payment_api"]["refill_rate_per_second"].is_null());
}

TEST(StatsJson, keeps_counters_beyond_53_bits_as_integers) {
    auto stats = one_of_each();
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    stats.circuit_breakers["payment_api"].requests = most;
    stats.circuit_breakers["payment_api"].success = (std::uint64_t{1} << 53U) + 1;
    const std::string text = to_json_text(stats, -1);
    EXPECT_NE(text.find("\"requests_total\":18446744073709551615,"), std::string::npos);
    EXPECT_NE(text.find("\"success_total\":9007199254740993,"), std::string::npos);
}

TEST(StatsJson, survives_hostile_names) {
    const std::string names[] = {"\"},\"x\":{\"",
                                 "back\\slash",
                                 "new\nline\r\t",
                                 "</script>",
                                 "\xf0\x9f\x94\xa5 fire",
                                 std::string("\x01\x1f\x7f", 3),
                                 "a/b~c",
                                 "__proto__"};
    ResilienceStats stats;
    stats.service = names[0];
    for (const auto& name : names) {
        stats.circuit_breakers[name].state = CircuitState::half_open;
        stats.retries[name].attempts = 7;
    }
    const auto document = Parsed::parse(to_json_text(stats));
    EXPECT_EQ(document["service"], names[0]);
    EXPECT_EQ(document["circuit_breakers"].size(), std::size(names));
    for (const auto& name : names) {
        EXPECT_EQ(document["circuit_breakers"].at(name).at("state"), "half_open") << name;
        EXPECT_EQ(document["retries"].at(name).at("attempts_total"), 7) << name;
    }
}

TEST(StatsJson, replaces_bytes_that_are_not_utf8_instead_of_throwing) {
    ResilienceStats stats;
    stats.service = "caf\xe9";
    EXPECT_EQ(Parsed::parse(to_json_text(stats))["service"], "caf\xef\xbf\xbd");
}

TEST(StatsJson, of_an_empty_manager_has_empty_sections) {
    const auto document = Parsed::parse(to_json_text(ResilienceStats{}));
    for (const auto kind : stats_kinds) EXPECT_EQ(document.at(std::string(kind)), Parsed::object()) << kind;
    EXPECT_EQ(document["time"], "1970-01-01T00:00:00.000Z");
}

TEST(StatsJson, stands_on_one_line_below_indent_zero) {
    EXPECT_EQ(to_json_text(one_of_each(), -1).find('\n'), std::string::npos);
    EXPECT_EQ(to_json_text(one_of_each()).substr(0, 16), "{\n  \"format\": 1,");
}

TEST(StatsJson, shows_the_health_it_is_given) {
    const Health judged{.status = HealthStatus::failing, .ready = false, .open_circuits = 4, .reasons = {"too many"}};
    const auto document = Parsed::parse(to_json_text(filter(one_of_each(), "none"), judged));
    EXPECT_EQ(document["health"]["status"], "failing");
    EXPECT_EQ(document["health"]["open_circuits"], 4);
    EXPECT_EQ(document["circuit_breakers"], Parsed::object());
}

TEST(HealthJson, is_the_readiness_document) {
    const Health judged{.status = HealthStatus::degraded,
                        .ready = true,
                        .open_circuits = 1,
                        .max_open_circuits = 3,
                        .reasons = {"circuit \"a\" is open", "circuit b is half-open"}};
    EXPECT_EQ(to_json_text(judged, -1), R"({"status":"degraded","ready":true,"open_circuits":1,"max_open_circuits":3,)"
                                        R"("reasons":["circuit \"a\" is open","circuit b is half-open"]})");
    EXPECT_EQ(to_json_text(Health{}, -1),
              R"({"status":"healthy","ready":true,"open_circuits":0,"max_open_circuits":null,"reasons":[]})");
}

TEST(LibraryVersion, is_that_of_the_project) {
    std::ifstream file(RESILIENCE_SOURCE_DIR "/CMakeLists.txt");
    const std::string project{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(project.find("VERSION " + std::string(library_version) + " LANGUAGES"), std::string::npos)
        << "core/include/resilience/base/version.hpp and CMakeLists.txt differ";
}

}  // namespace stats_json_test
