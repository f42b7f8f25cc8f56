#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "promtool.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using detail::promtool_finds_nothing;
using detail::value_of;

namespace conformance_metrics_test {

constexpr TimePoint start{1000s};

// The samples of a scrape by what stands before the value.
std::map<std::string, double> samples_of(const std::string& text) {
    std::map<std::string, double> samples;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line.starts_with('#')) continue;
        const std::size_t value = line.rfind(' ');
        samples.emplace(line.substr(0, value), std::strtod(line.c_str() + value, nullptr));
    }
    return samples;
}

TEST(Conformance, MX_5_exactly_one_state_is_1_at_any_scrape) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker(
        "pay", {.success_threshold = 1, .timeout = 10s, .min_requests = 1, .half_open_calls = 1});
    const auto expect_state = [&](std::string_view current, TimePoint now) {
        const auto samples = samples_of(export_metrics(manager.stats(now)));
        int ones = 0;
        for (const auto* state : {"closed", "open", "half_open", "forced_open", "forced_closed", "metrics_only"}) {
            const std::string series = std::string(R"(resilience_circuit_breaker_state{service="pay",state=")") + state;
            const double value = samples.at(series + "\"}");
            EXPECT_EQ(value, state == current ? 1 : 0) << state << " while " << current;
            ones += value == 1 ? 1 : 0;
        }
        EXPECT_EQ(ones, 1);
    };
    expect_state("closed", start);
    breaker->try_acquire(start)->settle(Outcome::failure, start);
    expect_state("open", start);
    expect_state("open", start + 10s - 1ns);
    expect_state("half_open", start + 10s);
    auto probe = breaker->try_acquire(start + 10s);
    ASSERT_TRUE(probe);
    expect_state("half_open", start + 10s);
    probe->settle(Outcome::success, start + 11s);
    expect_state("closed", start + 11s);
}

// What the buckets of a histogram hold, in the order of the text.
std::vector<double> buckets_of(const std::string& text, const std::string& family) {
    std::vector<double> buckets;
    const std::string before = "\n" + family + "_bucket{";
    for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
        buckets.push_back(std::strtod(text.c_str() + text.find("} ", at) + 2, nullptr));
    }
    return buckets;
}

// As MX-6 asks: the counters of scrapes under load never fall, buckets hold what those before them do, and results add
// up to what was admitted.
TEST(Conformance, MX_6_scrapes_under_load_are_monotone_and_add_up) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("pay", {.failure_threshold = 1, .record_latency = true});
    const auto limiter = manager.register_rate_limiter("pay", 1'000'000, 1e9);
    const auto bulkhead = manager.register_bulkhead("pay", 1);
    std::atomic<bool> stop{false};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            for (unsigned call = 0; !stop; ++call) {
                const auto place = bulkhead->try_acquire();
                static_cast<void>(limiter->acquire());
                auto permit = breaker->try_acquire(start);
                if (permit) permit->settle(call % 3 == 0 ? Outcome::failure : Outcome::success, start + call % 7 * 3ms);
            }
        });
    }
    std::map<std::string, double> before;
    for (int scrape = 0; scrape < 100 || before[R"(resilience_bulkhead_requests_total{service="pay"})"] < 10'000;
         ++scrape) {
        const ResilienceStats stats = manager.stats(start);
        const std::string text = export_metrics(stats);
        auto now = samples_of(text);
        const auto buckets = buckets_of(text, "resilience_circuit_breaker_call_duration_seconds");
        ASSERT_GT(buckets.size(), 5U);
        ASSERT_TRUE(std::ranges::is_sorted(buckets)) << text;
        for (const auto& [series, value] : before) {
            if (series.find("_total") != std::string::npos || series.find("_bucket") != std::string::npos ||
                series.find("_count") != std::string::npos) {
                ASSERT_GE(now.at(series), value) << series;
            }
        }
        const auto of_breaker = [&](const std::string& family) {
            return now.at("resilience_circuit_breaker_" + family + R"({service="pay"})");
        };
        ASSERT_EQ(of_breaker("requests_total"), of_breaker("successes_total") + of_breaker("failures_total") +
                                                    of_breaker("ignored_total") + of_breaker("in_flight"));
        ASSERT_EQ(now.at(R"(resilience_circuit_breaker_call_duration_seconds_bucket{service="pay",le="+Inf"})"),
                  of_breaker("call_duration_seconds_count"));
        before = std::move(now);
    }
    stop = true;
    callers.clear();
    const auto settled = samples_of(export_metrics(manager.stats(start)));
    EXPECT_EQ(settled.at(R"(resilience_circuit_breaker_call_duration_seconds_count{service="pay"})"),
              settled.at(R"(resilience_circuit_breaker_requests_total{service="pay"})"));
}

// A label's value as a reader of the format understands it.
std::string unescaped(std::string_view escaped) {
    std::string text;
    for (std::size_t at = 0; at < escaped.size(); ++at) {
        if (escaped[at] != '\\') {
            text += escaped[at];
        } else {
            ++at;
            text += escaped[at] == 'n' ? '\n' : escaped[at];
        }
    }
    return text;
}

TEST(Conformance, MX_7_every_name_is_valid_exposition_text_and_reads_back) {
    for (const std::string name : {"quote\"", "back\\slash", "new\nline", "\\n", "ends with \\", "\\\"\n\\\\",
                                   "gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\xa5", "} 1\nforged_total{service=\"x"}) {
        ResilienceManager manager;
        manager.register_rate_limiter(name, 10, 1);
        const std::string text = export_metrics(manager);
        EXPECT_TRUE(promtool_finds_nothing(text)) << name;
        const std::string before = "\nresilience_rate_limiter_capacity{service=\"";
        const auto at = text.find(before);
        ASSERT_NE(at, std::string::npos) << name;
        const auto from = at + before.size();
        EXPECT_EQ(unescaped(std::string_view(text).substr(from, text.find("\"} 10\n", from) - from)), name);
    }
}

TEST(Conformance, MX_13_an_idle_entry_and_its_series_go_only_when_nothing_is_in_flight) {
    ResilienceManager manager;
    manager.register_bulkhead("idle", 4);
    manager.register_bulkhead("busy", 4);
    manager.register_circuit_breaker("idle");
    auto place = manager.bulkhead("busy")->try_acquire();
    EXPECT_EQ(manager.expire_idle(30min, start), 0U);
    EXPECT_EQ(manager.expire_idle(30min, start + 1h), 2U);
    std::string text = export_metrics(manager);
    EXPECT_EQ(text.find("service=\"idle\""), std::string::npos);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_in_use{service="busy"})"), 1);
    place->release();
    EXPECT_EQ(manager.expire_idle(30min, start + 2h), 0U) << "it was in flight an hour ago";
    EXPECT_EQ(manager.expire_idle(30min, start + 3h), 1U);
    text = export_metrics(manager);
    EXPECT_EQ(text.find("service="), std::string::npos);
    EXPECT_TRUE(promtool_finds_nothing(text));
}

TEST(Conformance, MX_8_a_thousand_series_and_one_that_holds_the_rest) {
    ResilienceManager manager{"", {.max_components = 1000}};
    for (int index = 0; index < 5000; ++index) {
        const auto limiter = manager.register_rate_limiter("name " + std::to_string(index), 10, 1);
        for (int call = 0; call <= index % 3; ++call) static_cast<void>(limiter->acquire(1, start));
    }
    std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    const auto samples = samples_of(text);
    std::size_t series = 0;
    double requests = 0;
    for (const auto& [name, value] : samples) {
        if (!name.starts_with("resilience_rate_limiter_requests_total{")) continue;
        ++series;
        requests += value;
    }
    EXPECT_EQ(series, 1001U);
    EXPECT_EQ(requests, 9999) << "no call is lost";
    EXPECT_EQ(samples.at(R"(resilience_rate_limiter_requests_total{service="name 999"})"), 1);
    EXPECT_EQ(samples.at(R"(resilience_rate_limiter_requests_total{service="overflow"})"), 9999 - 1999);
    EXPECT_FALSE(samples.contains(R"(resilience_rate_limiter_requests_total{service="name 1000"})"));
    EXPECT_FALSE(samples.contains(R"(resilience_rate_limiter_capacity{service="overflow"})")) << "no sum of gauges";
    EXPECT_EQ(samples.at("resilience_metrics_dropped_components"), 4000);

    EXPECT_EQ(manager.expire_idle(0s, start + 1h), 5000U);
    text = export_metrics(manager);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_requests_total{service="overflow"})"), 9999 - 1999)
        << "a counter never falls";
    EXPECT_EQ(text.find("name 1"), std::string::npos);
    EXPECT_EQ(value_of(text, "resilience_metrics_dropped_components"), 0);
}

TEST(SeriesOverflow, of_every_kind_is_clean) {
    ResilienceManager manager{"checkout", {.max_components = 1}};
    for (const std::string name : {"own", "second", "third"}) {
        const auto breaker = manager.register_circuit_breaker(name, {.min_requests = 1, .record_latency = true});
        breaker->try_acquire(start)->settle(Outcome::failure, start + 1ms);
        EXPECT_FALSE(breaker->allow(start + 2ms));
        const auto place = manager.register_bulkhead(name, 1)->try_acquire();
        EXPECT_FALSE(manager.bulkhead(name)->try_acquire().has_value());
        manager.register_rate_limiter(name, 1, 1);
        manager.register_retry(name);
    }
    const std::string text = export_metrics(manager.stats(start + 2ms));
    EXPECT_TRUE(promtool_finds_nothing(text));
    for (const char* series : {R"(circuit_breaker_failures{service="overflow"})",
                               R"(circuit_breaker_rejections_total{service="overflow",reason="circuit_open"})",
                               R"(circuit_breaker_transitions_total{service="overflow",from="closed",to="open"})",
                               R"(circuit_breaker_call_duration_seconds_count{service="overflow"})",
                               R"(bulkhead_rejections_total{service="overflow",reason="bulkhead_full"})"}) {
        EXPECT_EQ(value_of(text, std::string("resilience_") + series), 2) << series;
    }
    EXPECT_EQ(value_of(text, R"(resilience_retry_calls_total{service="overflow",result="exhausted"})"), 0);
    EXPECT_EQ(text.find(R"(circuit_breaker_state{service="overflow")"), std::string::npos);
    EXPECT_EQ(value_of(text, R"(resilience_metrics_dropped_components{service="checkout"})"), 8);
}

TEST(Conformance, MX_15_the_buckets_that_were_configured_and_no_others) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("pay", {.record_latency = true});
    for (const Duration took : {1ms, 3ms, 40ms, 2000ms})
        breaker->try_acquire(start)->settle(Outcome::success, start + took);
    const MetricsConfig config{.latency_buckets = {100ms, 1ms, 2ms, 5ms, 10ms, 20ms, 50ms, 200ms, 500ms, 1s, 1ms}};
    const std::string text = export_metrics(manager, {}, config);
    EXPECT_TRUE(promtool_finds_nothing(text));
    std::vector<std::string> buckets;
    const std::string before = "\nresilience_circuit_breaker_call_duration_seconds_bucket{service=\"pay\",le=\"";
    for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
        const auto from = at + before.size();
        buckets.push_back(text.substr(from, text.find('\n', from) - from));
    }
    EXPECT_EQ(buckets, (std::vector<std::string>{R"(0.001"} 1)", R"(0.002"} 1)", R"(0.005"} 2)", R"(0.01"} 2)",
                                                 R"(0.02"} 2)", R"(0.05"} 3)", R"(0.1"} 3)", R"(0.2"} 3)", R"(0.5"} 3)",
                                                 R"(1"} 3)", R"(+Inf"} 4)"}));
}

}  // namespace conformance_metrics_test
