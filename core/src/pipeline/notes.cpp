#include <array>
#include <ostream>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/pipeline/notes.hpp>
#include <utility>

namespace resilience::inline v1 {

std::string_view to_string(NoteKind kind) noexcept {
    static constexpr std::array<std::string_view, 8> names{
        "retry_inside_breaker", "limiter_outside_retry",  "bulkhead_outside_retry",  "limiter_outside_breaker",
        "nested_retries",       "queue_without_deadline", "waiting_inside_bulkhead", "timeout_too_short"};
    const auto index = static_cast<std::size_t>(kind);
    return index < names.size() ? names[index] : "unknown";
}
std::ostream& operator<<(std::ostream& out, const Note& note) { return out << note.text; }

namespace detail {

NotedStage noted(const CircuitBreaker& breaker) {
    return {.kind = PolicyKind::circuit_breaker, .name = breaker.name()};
}
NotedStage noted_limiter(std::string_view name, Duration max_wait, std::uint32_t max_waiters) {
    return {.kind = PolicyKind::rate_limiter,
            .name = name,
            .waits = max_wait > Duration::zero() && max_waiters > 0,
            .max_wait = max_wait};
}
NotedStage noted(const Bulkhead& bulkhead) {
    const BulkheadConfig config = bulkhead.config();
    return {.kind = PolicyKind::bulkhead,
            .name = bulkhead.name(),
            .waits = config.queue_size > 0 && config.max_wait > Duration::zero(),
            .max_wait = config.max_wait};
}
NotedStage noted(const Retry& retry) {
    NotedStage stage{.kind = PolicyKind::retry, .name = retry.name(), .retry = retry.config()};
    if (retry.has_delay_function()) stage.retry.base_delay = Duration::zero();  // what it will say is not known
    return stage;
}

namespace {

class Notes {
  public:
    Notes(std::span<const NotedStage> stages, const CallOptions& options) : stages_(stages), options_(options) {}

    std::vector<Note> take() {
        for (std::size_t outer = 0; outer < stages_.size(); ++outer) {
            for (std::size_t inner = outer + 1; inner < stages_.size(); ++inner) judge_pair(outer, inner);
            judge_queue(outer);
            judge_timeout(outer);
        }
        return std::move(notes_);
    }

  private:
    static bool retries(const NotedStage& stage) {
        return stage.kind == PolicyKind::retry && stage.retry.max_attempts > 1;
    }

    void judge_pair(std::size_t outer, std::size_t inner) {
        const NotedStage& outside = stages_[outer];
        const NotedStage& inside = stages_[inner];
        if (retries(inside)) return judge_retry_inside(outer, inner);
        if (outside.kind == PolicyKind::rate_limiter && inside.kind == PolicyKind::circuit_breaker) {
            add(NoteKind::limiter_outside_breaker, outer,
                outside_of(outer, inner) + "calls that the breaker refuses have spent their tokens");
        }
        if (outside.kind == PolicyKind::bulkhead && inside.kind == PolicyKind::rate_limiter && inside.waits) {
            add(NoteKind::waiting_inside_bulkhead, outer,
                outside_of(outer, inner) + "a place is held while tokens are waited for, " + wait_of(inside));
        }
    }

    void judge_retry_inside(std::size_t outer, std::size_t inner) {
        const NotedStage& outside = stages_[outer];
        if (outside.kind == PolicyKind::circuit_breaker) {
            add(NoteKind::retry_inside_breaker, outer,
                outside_of(outer, inner) +
                    "it counts one outcome per call, whatever the attempts were, and is not asked before another "
                    "attempt");
        }
        if (outside.kind == PolicyKind::rate_limiter) {
            add(NoteKind::limiter_outside_retry, outer,
                outside_of(outer, inner) + "tokens are taken once per call, so further attempts are not limited");
        }
        if (outside.kind == PolicyKind::bulkhead) {
            add(NoteKind::bulkhead_outside_retry, outer,
                outside_of(outer, inner) + "a place is held through the pauses between attempts");
        }
        if (retries(outside)) {
            add(NoteKind::nested_retries, outer,
                outside_of(outer, inner) + "attempts multiply, " + most_attempts(outside.retry, stages_[inner].retry));
        }
    }

    void judge_queue(std::size_t stage) {
        const NotedStage& queue = stages_[stage];
        if (!queue.waits || queue.max_wait != Duration::max() || options_.timeout || options_.deadline) return;
        add(NoteKind::queue_without_deadline, stage,
            described(stage) +
                " lets callers wait in line for as long as it takes: give it a max_wait, or calls a "
                "timeout");
    }

    // The attempt that would begin when the timeout is over or later, if each attempt took no time at all.
    void judge_timeout(std::size_t stage) {
        const NotedStage& retry = stages_[stage];
        if (!retries(retry) || !options_.timeout) return;
        if (retry.retry.max_attempts == RetryConfig::unlimited) return;  // then the timeout is what ends it
        Duration begins{};
        Duration pause{};
        for (std::uint32_t attempt = 1; attempt < retry.retry.max_attempts; ++attempt) {
            pause = longest_backoff(retry.retry, attempt, pause);
            begins = pause > Duration::max() - begins ? Duration::max() : begins + pause;
            if (begins >= *options_.timeout) {
                add(NoteKind::timeout_too_short, stage,
                    described(stage) + ": attempt " + std::to_string(attempt + 1) + " of " +
                        std::to_string(retry.retry.max_attempts) + " would begin " + duration_text(begins) +
                        " after the first by its pauses alone, the call's timeout is " +
                        duration_text(*options_.timeout));
                return;
            }
            if (pause == Duration::zero()) return;  // it grows from nothing: every later one is 0 as well
        }
    }

    std::string described(std::size_t stage) const {
        static constexpr std::array<std::string_view, 4> kinds{"circuit breaker", "rate limiter", "bulkhead", "retry"};
        const auto kind = static_cast<std::size_t>(stages_[stage].kind);
        std::string text = "stage " + std::to_string(stage + 1) + " (";
        text += kind < kinds.size() ? kinds[kind] : "policy";
        if (!stages_[stage].name.empty()) text += ' ' + quoted_text(stages_[stage].name);
        return text + ')';
    }
    std::string outside_of(std::size_t outer, std::size_t inner) const {
        return described(outer) + " is outside " + described(inner) + ": ";
    }
    static std::string most_attempts(const RetryConfig& outside, const RetryConfig& inside) {
        constexpr std::uint32_t unlimited = RetryConfig::unlimited;
        if (outside.max_attempts == unlimited || inside.max_attempts == unlimited) return "without limit";
        const std::uint64_t most = std::uint64_t{outside.max_attempts} * std::uint64_t{inside.max_attempts};
        return "up to " + std::to_string(most) + " for one call";
    }
    static std::string wait_of(const NotedStage& stage) {
        return stage.max_wait == Duration::max() ? "as long as it takes" : "up to " + duration_text(stage.max_wait);
    }
    void add(NoteKind kind, std::size_t stage, std::string text) {
        notes_.push_back({kind, stage + 1, std::move(text)});
    }

    std::span<const NotedStage> stages_;
    const CallOptions& options_;
    std::vector<Note> notes_;
};

}  // namespace

std::vector<Note> notes_on(std::span<const NotedStage> stages, const CallOptions& options) {
    return Notes(stages, options).take();
}

}  // namespace detail
}  // namespace resilience::inline v1
