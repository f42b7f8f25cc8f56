#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>

#include "family.hpp"
#include "text_format.hpp"

namespace text_format_test {

using namespace resilience::detail;
using namespace std::chrono_literals;
using prometheus::MetricFamily;

std::string text_of_gauge(double value) {
    std::string text;
    Family family{"x", "X.", MetricType::Gauge};
    family.add(value, {});
    std::move(family).move_to([&text](const MetricFamily& complete) { append_exposition(text, complete); });
    const std::string start = "# HELP resilience_x X.\n# TYPE resilience_x gauge\nresilience_x ";
    EXPECT_EQ(text.substr(0, start.size()), start);
    EXPECT_EQ(text.back(), '\n');
    return text.substr(start.size(), text.size() - start.size() - 1);
}

TEST(TextFormat, writes_whole_numbers_without_exponent) {
    EXPECT_EQ(text_of_gauge(0), "0");
    EXPECT_EQ(text_of_gauge(100'000), "100000");
    EXPECT_EQ(text_of_gauge(123'456'789'012), "123456789012");
    EXPECT_EQ(text_of_gauge(-3), "-3");
    EXPECT_EQ(text_of_gauge(0.575), "0.575");
    EXPECT_EQ(text_of_gauge(47.6), "47.6");
}

TEST(TextFormat, reads_back_as_the_same_number) {
    for (const double number : {1e15, 9007199254740993.0, 18446744073709551615.0, 0.1 + 0.2, 1.0 / 3, 5e-324, 1e-9,
                                std::numeric_limits<double>::max(), -std::numeric_limits<double>::max()}) {
        EXPECT_EQ(std::strtod(text_of_gauge(number).c_str(), nullptr), number);
    }
}

TEST(TextFormat, is_that_of_prometheus_cpp) {
    std::vector<MetricFamily> families;
    for (const auto type : {MetricType::Counter, MetricType::Gauge, MetricType::Untyped}) {
        Family family{"some", "Some.", type};
        for (const double value : {0.0, 1.0, 0.5, 0.575, 12.4, 123456789.0, 1e14}) {
            family.add(value, {});
            family.add(value, {{"service", "plain"}});
            family.add(value, {{"service", "\\ \" \n \\n \t \x01 \xf0\x9f\x94\xa5 {}"}, {"state", "open"}});
            family.add(value, {{"service", "\\"}, {"left_out", ""}, {"from", "\n\n"}, {"to", "\"\""}});
        }
        std::move(family).move_to([&families](MetricFamily&& complete) { families.push_back(std::move(complete)); });
    }
    Family histogram{"took_seconds", "Took.", MetricType::Histogram};
    const resilience::Duration edges[] = {1ms, 2500us, 5ms, 1s, 10s};
    for (const std::string_view name : {"plain", "\\ \" \n", "busy"}) {
        resilience::LatencyHistogram took;
        if (name == "busy") {
            for (int call = 0; call < 1000; ++call) took.add(1us * call * call);
        }
        histogram.add(took.picture(), edges, name);
    }
    std::move(histogram).move_to([&families](MetricFamily&& complete) { families.push_back(std::move(complete)); });
    std::ostringstream theirs;
    prometheus::TextSerializer{}.Serialize(theirs, families);
    std::string ours;
    for (const auto& family : families) append_exposition(ours, family);
    EXPECT_EQ(ours, theirs.str());
}

TEST(Family, takes_no_number_that_is_none) {
    Family family{"x", "X.", MetricType::Gauge};
    family.add(std::numeric_limits<double>::quiet_NaN(), {});
    family.add(std::numeric_limits<double>::infinity(), {});
    std::move(family).move_to([](MetricFamily&& complete) { ADD_FAILURE() << complete.name << " has no series"; });
}

}  // namespace text_format_test
