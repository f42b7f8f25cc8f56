#include "demo/narration.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "demo/demo_picture.hpp"
#include "demo/narrator.hpp"
#include "demo/refusal_watch.hpp"

namespace resilience::demo {
namespace narration_test {

using namespace std::chrono_literals;

Event transition(CircuitState from, CircuitState to, TransitionCause cause) {
    return {.kind = EventKind::transition, .name = "payment_api", .from = from, .to = to, .cause = cause};
}

TEST(Narration, tells_why_a_circuit_opens_and_until_when) {
    Event event = transition(CircuitState::closed, CircuitState::open, TransitionCause::failure_ratio);
    event.value = 14.0 / 26;
    event.threshold = 0.5;
    event.requests = 26;
    event.retry_after = 5s;
    EXPECT_EQ(narrated(event).value(),
              "■ payment_api   closed → open       failure ratio 0.54 ≥ 0.50 of 26 calls; next probe in 5.0 s");
}

TEST(Narration, tells_how_probes_went) {
    Event closes = transition(CircuitState::half_open, CircuitState::closed, TransitionCause::probes_succeeded);
    closes.requests = 5;
    EXPECT_EQ(narrated(closes).value(), "● payment_api   half_open → closed  5 of 5 probes succeeded");
    Event opens = transition(CircuitState::half_open, CircuitState::open, TransitionCause::probes_failed);
    opens.requests = 4;
    opens.value = 0.25;
    opens.retry_after = 2500ms;
    EXPECT_EQ(narrated(opens).value(), "■ payment_api   half_open → open    1 of 4 probes failed; next probe in 2.5 s");
    const Event probes = transition(CircuitState::open, CircuitState::half_open, TransitionCause::open_time_over);
    EXPECT_EQ(narrated(probes).value(), "◐ payment_api   open → half_open    open time is over: probes may pass");
    Event early = transition(CircuitState::open, CircuitState::half_open, TransitionCause::health_probes);
    early.requests = 3;
    EXPECT_EQ(narrated(early).value(), "◐ payment_api   open → half_open    3 health probes in a row succeeded");
}

TEST(Narration, tells_of_an_operation_as_of_its_circuit_and_names_it) {
    Event event = transition(CircuitState::open, CircuitState::half_open, TransitionCause::open_time_over);
    const std::string of_circuit = narrated(event).value();
    event.kind = EventKind::operation_transition;
    event.operation = "charge";
    EXPECT_EQ(narrated(event).value(), of_circuit + " (operation charge)");
}

TEST(Narration, tells_levers_leases_and_limits) {
    const Event forced = transition(CircuitState::closed, CircuitState::forced_open, TransitionCause::lever);
    EXPECT_EQ(narrated(forced).value(), "✋ payment_api   closed → forced_open by hand");
    const Event lease{.kind = EventKind::lease_reclaimed, .name = "payment_api", .took = 10s};
    EXPECT_EQ(narrated(lease).value(), "◌ payment_api   a probe did not report for 10 s: its slot is free again");
    const Event limit{.kind = EventKind::limit_changed, .name = "stock", .limit_before = 12, .limit_after = 3};
    EXPECT_EQ(narrated(limit).value(), "⇅ stock         limit 12 → 3");
    EXPECT_FALSE(narrated(Event{.kind = EventKind::refused}));
}

TEST(Narration, keeps_a_hostile_name_on_its_line) {
    Event event = transition(CircuitState::closed, CircuitState::open, TransitionCause::lever);
    event.name = "a\nb\x1b[2J";
    const std::string line = narrated(event).value();
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(Narration, writes_moments_as_minutes_and_seconds) {
    EXPECT_EQ(moment_text(0s), "00:00");
    EXPECT_EQ(moment_text(15s + 999ms), "00:15");
    EXPECT_EQ(moment_text(100s), "01:40");
    EXPECT_EQ(moment_text(3600s + 15s), "1:00:15");
}

TEST(Narrator, prints_lines_in_order_with_their_moment_in_the_script) {
    std::ostringstream out;
    const TimePoint start = Clock::now();
    {
        Narrator narrator(out, {.started = start, .speed = 2});
        narrator.say("Dashboard");
        narrator.tell(narrated_deed("calm"), start + 7500ms);
        narrator.tell("second", start + 30s);
    }
    EXPECT_EQ(out.str(), "Dashboard\n00:15  ▶ calm\n01:00  second\n");
}

TEST(RefusalWatch, tells_when_a_limit_begins_to_refuse_and_when_it_stops) {
    RefusalWatch watch;
    ResilienceStats stats;
    BulkheadStats& bulkhead = stats.bulkheads["inventory_api"];
    bulkhead.requests = 60;
    EXPECT_TRUE(watch.look(stats).empty());
    bulkhead.requests = 120;
    bulkhead.rejected.bulkhead_full = 14;
    const auto begins = watch.look(stats);
    ASSERT_EQ(begins.size(), 1U);
    EXPECT_EQ(begins[0], "▲ inventory_api bulkhead refuses    14 of 60 calls in the last second");
    bulkhead.requests = 180;
    bulkhead.rejected.bulkhead_full = 20;
    EXPECT_TRUE(watch.look(stats).empty());
    EXPECT_TRUE(watch.look(stats).empty());
    EXPECT_TRUE(watch.look(stats).empty());
    const auto ends = watch.look(stats);
    ASSERT_EQ(ends.size(), 1U);
    EXPECT_EQ(ends[0], "▽ inventory_api bulkhead is quiet again 20 calls were refused");
}

TEST(Summary, divides_requests_into_answered_refused_and_failed) {
    DemoPicture picture;
    picture.elapsed = 100s;
    picture.shop.front.requests = 21'400;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::answered)] = 20'779;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::refused_at_once)] = 471;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::failed)] = 150;
    picture.shop.front.refused_with_retry_after = 471;
    picture.shop.front.rejected = {.count = 471, .p50 = 100us, .p99 = 400us, .max = 2ms};
    EXPECT_EQ(summary_text(picture),
              "summary 100 s: 21,400 requests · 97.1 % answered · 2.2 % refused with Retry-After · 0.7 % failed\n"
              "rejected: p99 400 us, max 2 ms from request parsed to last byte\n");
}

TEST(Summary, tells_refusals_without_a_time_and_the_load_apart) {
    DemoPicture picture;
    picture.elapsed = 3s;
    EXPECT_EQ(summary_text(picture), "summary 3 s: 0 requests\n");
    picture.shop.front.requests = 10;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::refused_at_once)] = 3;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::refused_after_try)] = 1;
    picture.shop.front.by_ending[static_cast<std::size_t>(Ending::answered)] = 6;
    picture.shop.front.refused_with_retry_after = 2;
    picture.shop.front.refused_after_try = {.count = 1, .p50 = 80ms, .p99 = 80ms, .max = 80ms};
    picture.shop.load =
        LoadPicture{.calls = 1'010, .answered = 10, .statuses = {}, .socket_errors = {.connect = 1'000}};
    const std::string text = summary_text(picture);
    EXPECT_NE(text.find("20.0 % refused with Retry-After · 20.0 % refused without · 0.0 % failed"), std::string::npos);
    EXPECT_NE(text.find("; 1 of them after a failed try, p99 80 ms"), std::string::npos);
    EXPECT_NE(text.find("load: 1,010 calls · 10 answers · 1,000 socket errors · 0 started late"), std::string::npos);
}

}  // namespace narration_test
}  // namespace resilience::demo
