#pragma once

// What every limiter by tokens is made of: a source of tokens, a name, a line, counters and events.
//
// Users want rate_limiter.hpp, fixed_window_limiter.hpp or sliding_log_limiter.hpp, which say what their sources
// promise and when to take which; the members below are theirs. A source is a thread-safe object with these noexcept
// functions:
//   - try_take(tokens, now): takes them all or none;
//   - time_until(tokens, now, ahead = 0): how long until they can be taken, by somebody before whom `ahead` are taken;
//   - available(now), in tokens; capacity(), the most that one request can get; refill_rate(), tokens per second in the
//     long run.
//
// Promises, whatever the source:
//   - more tokens than the capacity are refused at once with exceeds_capacity and without retry_after: waiting cannot
//     help. 0 tokens are always admitted, take nothing and count as a request;
//   - refused callers take nothing, and tokens are not given back when the call is refused further inside;
//   - callers that wait stand in a bounded line, first come first served, large requests and small ones alike. Waiting
//     reserves nothing: whoever leaves has taken nothing, and those behind move up. While somebody waits, acquire and
//     try_acquire are refused, with a retry_after behind the whole line;
//   - requests = admitted + rejected in every picture that stats() gives.
//
// Threads: every member may be called from any thread; the limiter is neither copied nor moved and outlives its
// callers; its destructor sends everybody in its line away and waits until the threads that sleep there have left.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <mutex>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/inlining.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_line.hpp>
#include <stop_token>
#include <string_view>
#include <utility>

namespace resilience::inline v1 {

template <class TokenSource>
class LimiterInLine {
  public:
    using Source = TokenSource;

    LimiterInLine(const LimiterInLine&) = delete;
    LimiterInLine& operator=(const LimiterInLine&) = delete;

    // Takes `tokens` if they are there and nobody waits for them, else nothing.
    [[nodiscard]] bool acquire(std::uint64_t tokens = 1, TimePoint now = Clock::now()) noexcept {
        if (line_.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
            return acquire_beside_line(tokens, now);
        if (source_.try_take(tokens, now)) [[likely]] {
            count_admission(now);
            return true;
        }
        if (never_fits(tokens) || events_.wants(EventKind::refused)) [[unlikely]]
            return static_cast<void>(refuse(tokens, now)), false;
        counters_.add(rate_limited);
        return false;
    }

    // As acquire; a refusal says why and when: rate_limited with the time until the first nanosecond at which the same
    // request succeeds if nobody comes between, or exceeds_capacity. Working out when costs one division more.
    [[nodiscard]] std::expected<void, Rejection> try_acquire(std::uint64_t tokens = 1,
                                                             TimePoint now = Clock::now()) noexcept {
        if (enter(tokens, now)) [[likely]]
            return {};
        if (line_.load(std::memory_order_relaxed) != nullptr || never_fits(tokens) || events_.wants(EventKind::refused))
            [[unlikely]]
            return std::unexpected(refuse(tokens, now));
        counters_.add(rate_limited);
        // Written where the caller wants it: a refusal made elsewhere would have to be copied.
        return std::expected<void, Rejection>(std::unexpect, RejectionReason::rate_limited, PolicyKind::rate_limiter,
                                              name(), source_.time_until(tokens, now));
    }

    // Waits in the line for at most `max_wait` on this thread. Refused at once with rate_limited when the tokens come
    // later than that, exceeds_capacity, queue_full, or cancelled once `stop` is requested; queue_timeout if they come
    // later than was foreseen, as after a lowered rate. May throw std::bad_alloc the first time somebody waits here;
    // then nothing has happened.
    [[nodiscard]] std::expected<void, Rejection> acquire_for(std::uint64_t tokens, Duration max_wait,
                                                             const std::stop_token& stop = {});

    // From now on everything is refused with shutting_down, and so is everybody in the line. For good. May throw
    // std::bad_alloc; then nothing has changed.
    void close();

    // Takes two short locks that a call takes only when it waits.
    [[nodiscard]] RateLimiterStats stats(TimePoint now = Clock::now()) const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return {name_, name_length_}; }

    // `changes` are limit_changed and lever; `calls` are permitted and refused, at the cost of a lock for each call.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

    // ---- for drivers -----------------------------------------------------------------------------------------------
    // Takes the tokens and counts the admission, else counts nothing and takes nothing.
    [[nodiscard]] RESILIENCE_HOT bool enter(std::uint64_t tokens, TimePoint now) noexcept {
        if (line_blocks(tokens)) [[unlikely]]
            return false;
        if (!source_.try_take(tokens, now)) [[unlikely]]
            return false;
        count_admission(now);
        return true;
    }
    // Counts and words a refusal of somebody who does not wait.
    [[nodiscard]] Rejection refuse(std::uint64_t tokens, TimePoint now) noexcept;
    // Whether somebody who has time may wait for this many tokens; makes the line the first time. Throws
    // std::bad_alloc.
    [[nodiscard]] bool opens_line(std::uint64_t tokens) { return !never_fits(tokens) && (line(), true); }
    // How long a call in a pipeline may wait for this many tokens: 0 if not at all.
    [[nodiscard]] Duration longest_wait(std::uint64_t tokens) const noexcept;

    // ---- for PlaceInLine, which says what they mean ----------------------------------------------------------------
    struct Turn {};
    [[nodiscard]] bool join_line(Waiter& waiter, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept;
    [[nodiscard]] TimePoint look_in_line(Waiter& waiter, TimePoint now) noexcept;
    [[nodiscard]] bool leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept;
    [[nodiscard]] Rejection rejection_of(RejectionReason reason) const noexcept;
    Turn adopt(Waiter&, TimePoint now) noexcept { return count_admission(now), Turn{}; }
    // The tokens are spent: giving them back would break the bound.
    void return_turn(Waiter&, TimePoint now) noexcept { count_admission(now); }
    void depart() noexcept { line_.load(std::memory_order_relaxed)->depart(); }

  protected:
    using Line = BasicTokenLine<StandardAtomics, Source>;
    struct Waits {
        Duration max_wait = RateLimiterConfig{}.max_wait;
        std::uint32_t max_waiters = RateLimiterConfig{}.max_waiters;
        friend bool operator==(const Waits&, const Waits&) = default;
    };

    // The name is interned or empty, and the numbers are checked.
    template <class... Numbers>
    LimiterInLine(std::string_view name, Waits waits, Numbers... numbers)
        : source_(numbers...), name_(name.data()), name_length_(static_cast<std::uint8_t>(name.size())) {
        if (waits != Waits{}) line().set_limits(waits.max_wait, waits.max_waiters);
    }
    ~LimiterInLine();

    // How callers may wait; what is set without a line is lost.
    [[nodiscard]] Waits waits() const noexcept;
    void set_waits(Waits waits) noexcept;
    // Those in the line are looked at again: served, sent away or told of an earlier moment. The second under levers_.
    void judge_line(TimePoint now) noexcept;
    void judge_line_locked(TimePoint now, BasicDeliveries<>& deliveries) noexcept;
    // Made when somebody may wait for the first time, or at close, and then never replaced.
    Line& line();
    [[nodiscard]] bool line_blocks(std::uint64_t tokens) const noexcept {
        // Acquire: the line behind the pointer is seen.
        const Line* const line = line_.load(std::memory_order_acquire);
        return line != nullptr && line->blocks(tokens);
    }
    void count_admission(TimePoint now) noexcept {
        counters_.add(admitted);
        if (events_.wants(EventKind::permitted)) [[unlikely]]
            publish_permitted(now);
    }
    [[nodiscard]] Source& source() noexcept { return source_; }
    [[nodiscard]] const Source& source() const noexcept { return source_; }
    [[nodiscard]] EventChannel& events() noexcept { return events_; }

    // One for all limiters of a kind: a change of rate is rare and short, and a lock in each would cost a sixth of its
    // memory. Keeps capacity and rate of one change together, and events in the order of the changes. Never destroyed
    // in effect.
    static inline constinit std::mutex levers_;

  private:
    enum Counter : std::size_t {
        admitted,
        rate_limited,
        exceeds_capacity,
        queue_full,
        queue_timeout,
        deadline_exceeded,
        cancelled,
        shutting_down,
        counters
    };
    static Counter counter_of(RejectionReason reason) noexcept;
    // More than the bucket can ever hold. One token always fits, which spares the usual refusal the look-up.
    bool never_fits(std::uint64_t tokens) const noexcept { return tokens > 1 && tokens > source_.capacity(); }
    [[gnu::noinline]] bool acquire_beside_line(std::uint64_t tokens, TimePoint now) noexcept;
    void send_everybody_away(Line& closing, BasicDeliveries<>& deliveries) noexcept;
    Rejection too_many(std::uint64_t tokens) const noexcept;
    Rejection rejection(std::uint64_t tokens, TimePoint now) const noexcept;
    Rejection refuse_because(const Rejection& why, TimePoint now) noexcept;
    void publish_permitted(TimePoint now) noexcept;
    void enqueue_refused(const Rejection& why, TimePoint now) noexcept;

    // The members fill the room that the alignment of a bucket would leave empty.
    [[no_unique_address]] Source source_;
    const char* name_;  // interned
    std::atomic<Line*> line_{nullptr};
    // With the small member in its tail.
    [[no_unique_address]] StripedCounters<counters> counters_;
    std::uint8_t name_length_;
    EventChannel events_;
};

// A limiter that is asked for a call's tokens and in whose line the call may wait.
template <class Limiter>
concept LimitsByTokens =
    requires { typename Limiter::Source; } && std::derived_from<Limiter, LimiterInLine<typename Limiter::Source>>;

}  // namespace resilience::inline v1
