#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <resilience/prometheus/exporter.hpp>
#include <set>
#include <string>

#include "promtool.hpp"

namespace alerts_test {

using namespace resilience;

std::string rules_folder() { return RESILIENCE_SOURCE_DIR "/ops/prometheus/"; }

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file.is_open()) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> found_in(const std::string& text, const std::string& pattern) {
    const std::regex expression(pattern);
    std::set<std::string> found;
    for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match) {
        found.insert((*match)[1]);
    }
    return found;
}

TEST(Alerts, fire_and_stay_silent_as_their_cases_say) {
    const auto answer = detail::run_promtool("test rules '" + rules_folder() + "alerts_test.yml'");
    EXPECT_EQ(answer.exit_code, 0) << answer.text;
    EXPECT_NE(answer.text.find("SUCCESS"), std::string::npos) << answer.text;
}

TEST(Alerts, load) {
    const auto answer = detail::run_promtool("check rules '" + rules_folder() + "alerts.yml'");
    EXPECT_EQ(answer.exit_code, 0) << answer.text;
}

TEST(Alerts, have_the_promised_expressions_as_written) {
    const std::string rules = content_of(rules_folder() + "alerts.yml");
    for (const char* rule : {"- alert: ResilienceCircuitOpen\n"
                             "        expr: resilience_circuit_breaker_state{state=\"open\"} > 0\n"
                             "        for: 5m\n",
                             "- alert: ResilienceHighFailureRate\n"
                             "        expr: rate(resilience_circuit_breaker_failures[5m]) > 0.5\n"
                             "        labels:",
                             "- alert: ResilienceRateLimiterSaturated\n"
                             "        expr: >-\n"
                             "          resilience_rate_limiter_rejections_total / "
                             "resilience_rate_limiter_requests_total > 0.9\n"
                             "        labels:"}) {
        EXPECT_NE(rules.find(rule), std::string::npos) << rule;
    }
}

TEST(Alerts, ask_only_for_families_that_are_exported) {
    ResilienceStats stats;
    stats.circuit_breakers["pay"].operations.emplace_back().state = CircuitState::open;
    stats.rate_limiters["pay"];
    stats.bulkheads["pay"];
    stats.retries["pay"];
    const std::string scrape = export_metrics(stats);
    const auto asked = found_in(content_of(rules_folder() + "alerts.yml"), "(resilience_[a-z_]+)");
    EXPECT_GE(asked.size(), 5U);
    for (const auto& family : asked) EXPECT_NE(scrape.find("# TYPE " + family + ' '), std::string::npos) << family;
}

TEST(Alerts, each_have_a_firing_and_a_silent_case) {
    const std::string cases = content_of(rules_folder() + "alerts_test.yml");
    const auto alerts = found_in(content_of(rules_folder() + "alerts.yml"), "- alert: (\\w+)");
    EXPECT_EQ(alerts.size(), 5U);
    for (const auto& alert : alerts) {
        const std::string start = "alertname: " + alert + "\\s+eval_time: \\w+\\s+exp_alerts:";
        EXPECT_FALSE(found_in(cases, '(' + start + ")\\s+- exp_labels").empty()) << alert << " never fires";
        EXPECT_FALSE(found_in(cases, '(' + start + ") \\[\\]").empty()) << alert << " is never silent";
    }
}

}  // namespace alerts_test
