// What a pipeline says of its own order.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace notes_test {

using namespace std::chrono_literals;

class NotesTest : public testing::Test {
  public:
    static std::vector<std::string> texts(const std::vector<Note>& notes) {
        std::vector<std::string> lines;
        for (const Note& note : notes) lines.push_back(note.text);
        return lines;
    }
    static std::vector<NoteKind> kinds(const std::vector<Note>& notes) {
        std::vector<NoteKind> found;
        for (const Note& note : notes) found.push_back(note.kind);
        return found;
    }

    CircuitBreaker breaker{"card_host"};
    RateLimiter limiter{"per_user", {.capacity = 10, .refill_rate = 1}};
    Bulkhead bulkhead{"orders", 4};
    Retry retry{"again", {.max_attempts = 3, .base_delay = 100ms, .jitter = false}};
};
using Kinds = std::vector<NoteKind>;

TEST_F(NotesTest, the_recommended_order_gives_none) {
    EXPECT_EQ(kinds(Pipeline{retry, breaker, limiter, bulkhead}.notes()), Kinds{});
    EXPECT_EQ(kinds(Pipeline{retry, breaker, limiter, bulkhead}.notes({.timeout = 10s})), Kinds{});
    EXPECT_EQ(kinds(Pipeline{breaker}.notes()), Kinds{});
}

TEST_F(NotesTest, each_consequence_has_a_sentence) {
    EXPECT_EQ(texts(Pipeline{breaker, retry}.notes()),
              (std::vector<std::string>{
                  "stage 1 (circuit breaker \"card_host\") is outside stage 2 (retry \"again\"): it counts one outcome "
                  "per call, whatever the attempts were, and is not asked before another attempt"}));
    EXPECT_EQ(texts(Pipeline{limiter, RetryConfig{}}.notes()),
              (std::vector<std::string>{"stage 1 (rate limiter \"per_user\") is outside stage 2 (retry): tokens are "
                                        "taken once per call, so further attempts are not limited"}));
    EXPECT_EQ(texts(Pipeline{bulkhead, retry}.notes()),
              (std::vector<std::string>{"stage 1 (bulkhead \"orders\") is outside stage 2 (retry \"again\"): a place "
                                        "is held through the pauses between attempts"}));
    EXPECT_EQ(texts(Pipeline{limiter, breaker}.notes()),
              (std::vector<std::string>{"stage 1 (rate limiter \"per_user\") is outside stage 2 (circuit breaker "
                                        "\"card_host\"): calls that the breaker refuses have spent their tokens"}));
    EXPECT_EQ(texts(Pipeline{allow_nested_retry, retry, RetryConfig{.max_attempts = 4}}.notes()),
              (std::vector<std::string>{"stage 1 (retry \"again\") is outside stage 2 (retry): attempts multiply, up "
                                        "to 12 for one call"}));
}

TEST_F(NotesTest, the_guides_order_says_what_it_costs) {
    const auto notes = Pipeline{breaker, limiter, bulkhead, retry}.notes();
    EXPECT_EQ(kinds(notes), (Kinds{NoteKind::retry_inside_breaker, NoteKind::limiter_outside_retry,
                                   NoteKind::bulkhead_outside_retry}));
    EXPECT_EQ(notes[1].stage, 2U);
}

TEST_F(NotesTest, a_retry_that_makes_one_attempt_is_none) {
    EXPECT_EQ(kinds(Pipeline{breaker, RetryConfig::not_idempotent()}.notes()), Kinds{});
}

TEST_F(NotesTest, a_queue_without_any_deadline_is_named) {
    Bulkhead queue("waiting_room", {.max_concurrent = 4, .queue_size = 10});
    Pipeline guarded{retry, queue};
    EXPECT_EQ(texts(guarded.notes()),
              (std::vector<std::string>{"stage 2 (bulkhead \"waiting_room\") lets callers wait in line for as long as "
                                        "it takes: give it a max_wait, or calls a timeout"}));
    EXPECT_EQ(kinds(guarded.notes({.timeout = 10s})), Kinds{});
    EXPECT_EQ(kinds(guarded.notes({.deadline = for_tests::origin() + 1s})), Kinds{});
    Bulkhead bounded("bounded_room", {.max_concurrent = 4, .queue_size = 10, .max_wait = 1s});
    EXPECT_EQ(kinds(Pipeline{retry, bounded}.notes()), Kinds{});
}

TEST_F(NotesTest, a_place_held_while_tokens_are_waited_for_is_named) {
    RateLimiter patient("patient", {.capacity = 10, .refill_rate = 1, .max_wait = 500ms});
    EXPECT_EQ(texts(Pipeline{bulkhead, patient}.notes()),
              (std::vector<std::string>{"stage 1 (bulkhead \"orders\") is outside stage 2 (rate limiter \"patient\"): "
                                        "a place is held while tokens are waited for, up to 500 ms"}));
    EXPECT_EQ(kinds(Pipeline{patient, bulkhead}.notes()), Kinds{});
    EXPECT_EQ(kinds(Pipeline{bulkhead, limiter}.notes()), Kinds{}) << "one that never waits holds nothing up";
}

TEST_F(NotesTest, a_timeout_shorter_than_the_attempts_is_named) {
    Pipeline guarded{retry, breaker};
    EXPECT_EQ(texts(guarded.notes({.timeout = 300ms})),
              (std::vector<std::string>{"stage 1 (retry \"again\"): attempt 3 of 3 would begin 300 ms after the first "
                                        "by its pauses alone, the call's timeout is 300 ms"}));
    EXPECT_EQ(kinds(guarded.notes({.timeout = 301ms})), Kinds{});
    Pipeline endless{RetryConfig{.max_attempts = 1'000'000, .base_delay = 0ns}};
    EXPECT_EQ(kinds(endless.notes({.timeout = 1ns})), Kinds{}) << "no pause at all";
    Pipeline unlimited{RetryConfig{.max_attempts = RetryConfig::unlimited, .base_delay = 1ns, .multiplier = 1}};
    EXPECT_EQ(kinds(unlimited.notes({.timeout = 1h})), Kinds{}) << "the timeout is meant to end it";
    Retry told{RetryConfig{.base_delay = 1h, .max_delay = 1h},
               RetryHooks{.delay = [](const AttemptEnd&) { return 0ns; }}};
    EXPECT_EQ(kinds(Pipeline{told}.notes({.timeout = 1s})), Kinds{}) << "the delay function's word is not known yet";
}

TEST_F(NotesTest, attempts_without_limit_multiply_without_limit) {
    const RetryConfig unlimited{.max_attempts = RetryConfig::unlimited};
    EXPECT_EQ(texts(Pipeline{allow_nested_retry, retry, unlimited}.notes()),
              (std::vector<std::string>{
                  "stage 1 (retry \"again\") is outside stage 2 (retry): attempts multiply, without limit"}));
}

TEST_F(NotesTest, entries_of_every_form_are_seen) {
    Pipeline inner{limiter, retry};
    const auto notes = Pipeline{classify([](int) { return Outcome::success; }),
                                breaker.with([](int) { return Outcome::success; }), inner}
                           .notes();
    EXPECT_EQ(kinds(notes), (Kinds{NoteKind::retry_inside_breaker, NoteKind::limiter_outside_retry}));
    EXPECT_EQ(notes[1].stage, 2U) << "the first of the inner pipeline";
    EXPECT_EQ(kinds(AnyPipeline{Pipeline{breaker, retry}}.notes()), Kinds{NoteKind::retry_inside_breaker});
}

TEST_F(NotesTest, are_printed_and_have_names) {
    std::ostringstream out;
    out << Note{.kind = NoteKind::nested_retries, .stage = 1, .text = "attempts multiply"};
    EXPECT_EQ(out.str(), "attempts multiply");
    EXPECT_EQ(to_string(NoteKind::retry_inside_breaker), "retry_inside_breaker");
    EXPECT_EQ(to_string(NoteKind::timeout_too_short), "timeout_too_short");
}

}  // namespace notes_test
}  // namespace resilience::inline v1
