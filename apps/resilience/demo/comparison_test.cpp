#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "demo/demo_picture.hpp"

namespace resilience::demo {
namespace comparison_test {

using namespace std::chrono_literals;

ShopPicture side(std::uint64_t answered, std::uint64_t too_late, std::uint64_t refused, std::uint64_t failed,
                 std::uint64_t hung) {
    ShopPicture shop;
    shop.load.emplace();
    CustomerPicture& got = shop.load->customers;
    got = {.calls = answered + too_late + refused + failed + hung,
           .answered = answered,
           .too_late = too_late,
           .refused = refused,
           .failed = failed,
           .hung = hung,
           .latency = {.count = answered + too_late, .p50 = 16ms, .p99 = 4800ms, .max = 5s},
           .trouble = {.time = 55s, .answered = answered / 2},
           .calm = {.time = 45s, .answered = answered / 2},
           .longest_outage = 43s};
    shop.load->calls = got.calls;
    shop.load->answered = shop.front.requests = got.calls - hung;
    shop.upstreams[0].counts.received = 20'000;
    shop.upstreams[1].counts.received = 4'184;
    return shop;
}

DemoPicture both() {
    return {.elapsed = 100s,
            .shop = side(24'000, 0, 11'900, 100, 0),
            .unguarded = side(10'000, 20'000, 2'000, 1'000, 3'000)};
}

TEST(Comparison, sets_the_figures_of_both_below_each_other) {
    EXPECT_EQ(comparison_text(both()),
              "what guarding changed, for the same 36,000 calls to both:\n"
              "            answered  too late   refused    failed      hung       p50       p99   trouble      calm"
              "    outage upstreams\n"
              "guarded       66.7 %     0.0 %    33.1 %     0.3 %     0.0 %     16 ms     4.8 s   218.2/s   266.7/s"
              "      43 s    24,184\n"
              "unguarded     27.8 %    55.6 %     5.6 %     2.8 %     8.3 %     16 ms     4.8 s    90.9/s   111.1/s"
              "      43 s    24,184\n"
              "answered: well, within 2 s of the arrival · p50, p99: until a good answer, in time or not\n"
              "trouble: answered a second in the 55 s with a fault or more load than usual · calm: in the rest\n"
              "outage: longest time in which fewer than half were answered · upstreams: requests they got\n");
}

TEST(Comparison, reads_no_rate_out_of_less_than_a_second) {
    DemoPicture picture = both();
    picture.shop.load->customers.trouble.time = 999ms;
    EXPECT_NE(comparison_text(picture).find("      –   266.7/s"), std::string::npos);
    picture.shop.load->customers.trouble.time = 1s;
    EXPECT_NE(comparison_text(picture).find(" 12000.0/s   266.7/s"), std::string::npos);
}

TEST(Comparison, is_silent_without_a_twin_a_load_or_calls) {
    DemoPicture alone = both();
    alone.unguarded.reset();
    EXPECT_EQ(comparison_text(alone), "");
    EXPECT_TRUE(nlohmann::json::parse(summary_json(alone))["comparison"].is_null());
    EXPECT_TRUE(nlohmann::json::parse(summary_json(alone))["unguarded"].is_null());

    DemoPicture idle = both();
    idle.shop.load.reset();
    idle.unguarded->load.reset();
    EXPECT_EQ(comparison_text(idle), "");
    EXPECT_TRUE(nlohmann::json::parse(summary_json(idle))["comparison"].is_null());

    DemoPicture no_calls = both();
    no_calls.shop = side(0, 0, 0, 0, 0);
    no_calls.unguarded = side(0, 0, 0, 0, 0);
    EXPECT_EQ(comparison_text(no_calls), "");
    EXPECT_EQ(nlohmann::json::parse(summary_json(no_calls))["comparison"]["comparable"], false);
}

TEST(Comparison, warns_when_the_machine_was_busy_and_says_nothing_when_it_was_swamped) {
    DemoPicture picture = both();
    picture.shop.load->lagged = 359;
    EXPECT_TRUE(comparison_text(picture).starts_with("what guarding changed"));
    picture.shop.load->lagged = 360;
    EXPECT_TRUE(
        comparison_text(picture).starts_with("caution: this machine was too busy: 1.0 % of the calls began over "
                                             "10 ms late before any front saw them\nwhat guarding changed"));
    picture.shop.load->lagged = 3600;
    EXPECT_EQ(
        comparison_text(picture),
        "caution: this machine was too busy: 10.0 % of the calls began over 10 ms late before any front saw them\n"
        "no comparison with the unguarded twin: it would say nothing\n");
    const auto json = nlohmann::json::parse(summary_json(picture));
    EXPECT_EQ(json["comparison"]["comparable"], false);
    EXPECT_EQ(json["comparison"]["cautions"].size(), 1U);
}

TEST(Comparison, warns_when_somebody_else_asked_one_of_the_two) {
    DemoPicture picture = both();
    picture.shop.front.requests += 1000;
    EXPECT_TRUE(comparison_text(picture).starts_with(
        "caution: somebody else asked the guarded shop 1,000 times: the two did not carry the same load\n"));
    picture.unguarded->front.requests += 5000;
    EXPECT_NE(comparison_text(picture).find("asked the unguarded twin 2,000 times"), std::string::npos);
}

TEST(Comparison, takes_nobody_for_somebody_else_who_left_before_he_was_answered) {
    DemoPicture picture = both();
    picture.unguarded->front.requests = picture.unguarded->load->calls;  // the hung ones were answered after all
    EXPECT_TRUE(comparison_text(picture).starts_with("what guarding changed"));
    picture.unguarded->load->not_sent = 3000;  // then others must have asked in their place
    EXPECT_TRUE(comparison_text(picture).starts_with("caution: somebody else asked the unguarded twin 3,000 times"));
}

TEST(Comparison, stands_in_the_summary_and_in_its_json) {
    const DemoPicture picture = both();
    EXPECT_NE(summary_text(picture).find("\nwhat guarding changed, for the same 36,000 calls"), std::string::npos);
    const auto json = nlohmann::json::parse(summary_json(picture));
    EXPECT_EQ(json["comparison"]["comparable"], true);
    EXPECT_TRUE(json["comparison"]["cautions"].empty());
    EXPECT_EQ(json["customers"]["answered_total"], 24'000);
    const auto& twin = json["unguarded"]["customers"];
    EXPECT_EQ(twin["too_late_total"], 20'000);
    EXPECT_EQ(twin["hung_total"], 3'000);
    EXPECT_EQ(twin["trouble"]["seconds"], 55.0);
    EXPECT_EQ(twin["longest_outage_seconds"], 43.0);
    EXPECT_EQ(twin["latency_seconds"]["p99"], 4.8);
    EXPECT_EQ(json["unguarded"]["upstreams"]["payment"]["received_total"], 20'000);
}

}  // namespace comparison_test
}  // namespace resilience::demo
