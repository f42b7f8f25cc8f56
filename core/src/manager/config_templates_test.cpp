#include <gtest/gtest.h>

#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace config_templates_test {

// One field that nobody sets, one that `default` sets, one that the named template sets over it, one that the override
// sets over both.
template <class Config, class Of>
void expect_override_beats_named_beats_default(ConfigTemplates<Config>& templates, Of of) {
    templates.define("named", [&](Config& config) { of(config, 2, 2, 0); });
    templates.define("default", [&](Config& config) { of(config, 1, 1, 1); });
    Config by_default;
    of(by_default, 1, 1, 1);
    EXPECT_EQ(templates.config(), by_default);
    Config named = by_default;
    of(named, 2, 2, 0);
    EXPECT_EQ(templates.config("named"), named);
    Config overridden = named;
    of(overridden, 3, 0, 0);
    EXPECT_EQ(templates.config("named", [&](Config& config) { of(config, 3, 0, 0); }), overridden);
    EXPECT_EQ(templates.config("named"), named) << "an override is for one configuration";
}

TEST(Conformance, MX_2_an_override_beats_a_named_template_and_that_beats_the_default) {
    ResilienceManager manager;
    expect_override_beats_named_beats_default(manager.circuit_breaker_templates(),
                                              [](auto& config, unsigned first, unsigned second, unsigned third) {
                                                  if (first != 0) config.min_requests = 10 * first;
                                                  if (second != 0) config.timeout = second * 7s;
                                                  if (third != 0) config.buckets = third + 3;
                                              });
    expect_override_beats_named_beats_default(manager.rate_limiter_templates(),
                                              [](auto& config, unsigned first, unsigned second, unsigned third) {
                                                  if (first != 0) config.capacity = 10 * first;
                                                  if (second != 0) config.refill_rate = second;
                                                  if (third != 0) config.max_wait = third * 1s;
                                              });
    expect_override_beats_named_beats_default(manager.bulkhead_templates(),
                                              [](auto& config, unsigned first, unsigned second, unsigned third) {
                                                  if (first != 0) config.max_concurrent = 10 * first;
                                                  if (second != 0) config.queue_size = second;
                                                  if (third != 0) config.max_wait = third * 1s;
                                              });
    expect_override_beats_named_beats_default(manager.retry_templates(),
                                              [](auto& config, unsigned first, unsigned second, unsigned third) {
                                                  if (first != 0) config.max_attempts = 1 + first;
                                                  if (second != 0) config.base_delay = second * 1ms;
                                                  if (third != 0) config.multiplier = 1 + third;
                                              });
    const auto breaker = manager.register_circuit_breaker(
        "api", manager.circuit_breaker_templates().config("named", [](auto& config) { config.min_requests = 99; }));
    EXPECT_EQ(breaker->config().min_requests, 99U);
    EXPECT_EQ(breaker->config().timeout, 14s);
    EXPECT_EQ(breaker->config().buckets, 4U);
    EXPECT_EQ(breaker->config().window_size, CircuitBreakerConfig{}.window_size) << "set by nobody";
}

TEST(ConfigTemplates, apply_a_chain_from_its_root_to_its_end) {
    ConfigTemplates<RetryConfig> templates;
    templates.define("a", [](RetryConfig& config) {
        config.max_attempts = 4;
        config.base_delay = 1ms;
        config.max_delay = 1s;
    });
    templates.define(
        "b",
        [](RetryConfig& config) {
            config.max_attempts += 10;
            config.base_delay = 2ms;
        },
        "a");
    templates.define("c", [](RetryConfig& config) { config.max_attempts *= 2; }, "b");
    const RetryConfig config = templates.config("c");
    EXPECT_EQ(config.max_attempts, 28U);
    EXPECT_EQ(config.base_delay, 2ms);
    EXPECT_EQ(config.max_delay, 1s);
    EXPECT_EQ(templates.config("a").max_attempts, 4U);
    EXPECT_EQ(templates.names(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(ConfigTemplates, without_any_the_default_is_the_configuration_as_it_is) {
    const ConfigTemplates<CircuitBreakerConfig> templates;
    EXPECT_EQ(templates.config(), CircuitBreakerConfig{});
    EXPECT_EQ(templates.config("default"), CircuitBreakerConfig{});
}

TEST(ConfigTemplates, refuse_what_cannot_be_and_say_why) {
    ConfigTemplates<BulkheadConfig> templates;
    const auto change = [](BulkheadConfig& config) { config.max_concurrent = 1; };
    templates.define("a", change);
    struct Row {
        const char* name;
        ConfigTemplates<BulkheadConfig>::Changes changes;
        const char* extends;
        const char* field;
        const char* words;
    };
    for (const Row& row :
         {Row{"", change, "default", "name", "is empty"}, Row{"a", change, "default", "name", "defined already"},
          Row{"b", nullptr, "default", "changes", "no function"},
          Row{"b", change, "b", "extends", "not defined (defined: default, a)"},
          Row{"default", change, "a", "extends", "default extends nothing"}}) {
        try {
            templates.define(row.name, row.changes, row.extends);
            ADD_FAILURE() << row.words;
        } catch (const ConfigError& error) {
            ASSERT_EQ(error.problems().size(), 1U) << error.what();
            EXPECT_EQ(error.problems()[0].field, row.field);
            EXPECT_NE(error.problems()[0].message.find(row.words), std::string::npos) << error.what();
        }
    }
    EXPECT_EQ(templates.names(), std::vector<std::string>{"a"});
    try {
        static_cast<void>(templates.config("fragil"));
        ADD_FAILURE();
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("\"fragil\""), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("(defined: default, a)"), std::string::npos) << error.what();
    }
}

TEST(ConfigTemplates, let_their_functions_ask_for_other_templates_and_throw) {
    ConfigTemplates<RetryConfig> templates;
    templates.define("base", [](RetryConfig& config) { config.max_attempts = 7; });
    templates.define("asks", [&](RetryConfig& config) { config = templates.config("base"); });
    templates.define("throws", [](RetryConfig&) { throw std::runtime_error("no"); });
    EXPECT_EQ(templates.config("asks").max_attempts, 7U);
    EXPECT_THROW(static_cast<void>(templates.config("throws")), std::runtime_error);
    EXPECT_EQ(templates.config("asks").max_attempts, 7U);
}

TEST(ConfigTemplates, are_defined_and_asked_for_by_many_threads) {
    ConfigTemplates<RetryConfig> templates;
    templates.define("0", [](RetryConfig& config) { config.max_attempts = 1; });
    {
        std::vector<std::jthread> workers;
        for (int worker = 0; worker < 3; ++worker) {
            workers.emplace_back([&, worker] {
                std::string last = "0";
                for (int link = 1; link <= 50; ++link) {
                    std::string next = std::to_string(worker) + '.' + std::to_string(link);
                    templates.define(next, [](RetryConfig& config) { ++config.max_attempts; }, last);
                    last = std::move(next);
                    EXPECT_EQ(templates.config(last).max_attempts, 1U + static_cast<unsigned>(link));
                }
            });
        }
    }
    EXPECT_EQ(templates.names().size(), 151U);
}

}  // namespace config_templates_test
