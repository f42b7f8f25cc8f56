#pragma once

// What the order of a pipeline means, in words: consequences that surprise people, never a refusal.
//
//     for (const Note& note : guarded.notes()) std::clog << note << '\n';
//     stage 1 (circuit breaker "card_host") is outside stage 2 (retry): it counts one outcome per call, whatever the
//     attempts were, and is not asked before another attempt
//
// Any order compiles and runs; a note says what the order at hand counts, holds or spends, so that it is chosen and not
// happened upon. An order that gives no note, outermost first: retry, breaker, limiter, bulkhead. Given the options
// of a call, the notes also judge its timeout. Made for start-up and tests: it allocates, and reads each policy's
// configuration as it is now.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <resilience/base/call_options.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/policies/with_classifier.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

enum class NoteKind : std::uint8_t {
    retry_inside_breaker = 0,     // the breaker sees calls, not attempts
    limiter_outside_retry = 1,    // tokens are taken once per call: further attempts are not limited
    bulkhead_outside_retry = 2,   // a place is held through the pauses between attempts
    limiter_outside_breaker = 3,  // what an open circuit refuses has spent its tokens
    nested_retries = 4,           // attempts multiply
    queue_without_deadline = 5,   // callers may wait in line for ever
    waiting_inside_bulkhead = 6,  // a place is held while tokens are waited for
    timeout_too_short = 7,        // the call's timeout ends before the retry's attempts are made
};
[[nodiscard]] std::string_view to_string(NoteKind kind) noexcept;

struct Note {
    NoteKind kind;
    std::size_t stage;  // the stage it is about, from 1, outermost first
    std::string text;   // one sentence
};
std::ostream& operator<<(std::ostream& out, const Note& note);  // the text

namespace detail {

// One stage as the notes see it.
struct NotedStage {
    PolicyKind kind = PolicyKind::pipeline;  // `pipeline` stands for a gate of the user's own
    std::string_view name{};
    RetryConfig retry{};
    bool waits = false;  // callers may wait here for a place or for tokens
    Duration max_wait{};
};
[[nodiscard]] NotedStage noted(const CircuitBreaker& breaker);
[[nodiscard]] NotedStage noted_limiter(std::string_view name, Duration max_wait, std::uint32_t max_waiters);
template <LimitsByTokens Limiter>
[[nodiscard]] NotedStage noted(const Limiter& limiter) {
    const auto config = limiter.config();
    return noted_limiter(limiter.name(), config.max_wait, config.max_waiters);
}
[[nodiscard]] NotedStage noted(const Bulkhead& bulkhead);
[[nodiscard]] NotedStage noted(const Retry& retry);
template <class Policy, class Classifier>
[[nodiscard]] NotedStage noted(const WithClassifier<Policy, Classifier>& with) {
    return noted(*with.policy);
}
template <class Gate>
[[nodiscard]] NotedStage noted(const Gate&) {
    return {};
}

[[nodiscard]] std::vector<Note> notes_on(std::span<const NotedStage> stages, const CallOptions& options);

}  // namespace detail
}  // namespace resilience::inline v1
