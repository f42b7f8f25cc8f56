#pragma once

// What a circuit breaker keeps for the operations it was asked for: see circuit_breaker_operation.hpp.
//
// Lock order: the breaker's mutex, then that of an operation's own state. Never the other way round.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string_view>
#include <vector>

namespace resilience::inline v1::detail {

// What the permit of an operation keeps in the place of a state word. It need not keep the state: a permit that is of
// the present period was admitted in the present state.
//
// mark:3 | own:1 | operation:7 | slot:10 | generation of the breaker:22 | of the operation:21, lowest bit first
class OperationWord {
  public:
    // The slot of a probe is the operation's where the operation's own state admitted it, else the breaker's.
    OperationWord(std::size_t operation, CircuitWord whole) noexcept
        : OperationWord(operation, whole.slot(), whole, CircuitWord(0), false) {}
    OperationWord(std::size_t operation, CircuitWord whole, CircuitWord own) noexcept
        : OperationWord(operation, own.slot(), whole, own, true) {}
    explicit OperationWord(CircuitWord kept) noexcept : bits_(kept.bits()) {}

    [[nodiscard]] CircuitWord kept() const noexcept { return CircuitWord(bits_); }
    [[nodiscard]] std::size_t operation() const noexcept { return (bits_ >> operation_at) & 127; }
    // The operation's own state has admitted the call and wants to hear of it.
    [[nodiscard]] bool own() const noexcept { return (bits_ & own_bit) != 0; }

    // The word the breaker admitted the call under, if that is the period of `present`; else one of no period.
    [[nodiscard]] CircuitWord of_whole(CircuitWord present) const noexcept {
        if (((present.generation() ^ (bits_ >> whole_at)) & whole_mask) != 0) return CircuitWord(0);
        return own() ? present : present.with_slot(slot());
    }
    // The same of the operation's own state.
    [[nodiscard]] CircuitWord of_own(CircuitWord present) const noexcept {
        if (((present.generation() ^ (bits_ >> own_at)) & own_mask) != 0) return CircuitWord(0);
        return present.with_slot(slot());
    }

  private:
    OperationWord(std::size_t operation, std::uint32_t slot, CircuitWord whole, CircuitWord own,
                  bool own_takes_part) noexcept
        : bits_(CircuitWord::operation_mark | (own_takes_part ? own_bit : 0) |
                (std::uint64_t{operation} << operation_at) | (std::uint64_t{slot} << slot_at) |
                ((whole.generation() & whole_mask) << whole_at) | ((own.generation() & own_mask) << own_at)) {}

    [[nodiscard]] std::uint32_t slot() const noexcept { return static_cast<std::uint32_t>(bits_ >> slot_at) & 1023U; }

    static constexpr std::uint64_t own_bit = 8;
    static constexpr unsigned operation_at = 4;
    static constexpr unsigned slot_at = 11;
    static constexpr unsigned whole_at = 21;
    static constexpr std::uint64_t whole_mask = (1U << 22) - 1;
    static constexpr unsigned own_at = 43;
    static constexpr std::uint64_t own_mask = (1U << 21) - 1;

    std::uint64_t bits_;
};

// Of the state that an operation has for itself in a breaker of this configuration.
[[nodiscard]] CircuitBreakerConfig config_of_operation(CircuitBreakerConfig config) noexcept;

// What one operation needs for a new configuration, made without a mutex; afterwards it holds what is no longer needed.
struct OperationReconfiguration {
    OperationReconfiguration(const CircuitBreakerConfig& config, std::mutex& mutex);

    std::vector<RollingWindow::Shape> shapes{};       // one for each window
    std::unique_ptr<CircuitReconfiguration> alone{};  // where operations have states of their own
};

struct CircuitOperation {
    using Permit = CircuitBreaker::Permit;
    using Stats = CircuitBreakerStats::Operation;
    enum Counted : std::size_t {
        admitted,
        success_in_window,  // one for each of the two windows
        success_in_other_window,
        success_outside,
        failure_outside,
        ignored,
        rejected,
        counts
    };

    // `alone` is the operation's own state; null where the breaker alone decides. Throws std::bad_alloc.
    CircuitOperation(CircuitBreaker& breaker, std::string_view interned_name, std::size_t index,
                     std::unique_ptr<CircuitBreaker> alone);

    // ---- admission
    [[nodiscard]] bool enter(TimePoint now, Permit& permit, Rejection& why) noexcept;
    bool enters_tracked(TimePoint now, CircuitPassage& passage, Rejection& why) noexcept;
    bool enters_isolated(TimePoint now, CircuitPassage& passage, Rejection& why) noexcept;
    bool enters_locked(TimePoint now, CircuitPassage& passage, Rejection& why) noexcept;
    bool own_state_admits_locked(TimePoint now, CircuitPassage& own, Rejection& why) noexcept;
    void give_back_locked(const CircuitPassage& own) noexcept;
    bool own_state_refuses_locked(TimePoint now, Rejection& why) const noexcept;
    void refused_locked(Rejection& why) const noexcept;

    // ---- settling. `open_for` as in CircuitBreaker::settle_as_asked; absent where the verdict has none.
    static void settle(CircuitBreaker& breaker, CircuitPassage passage, CallResult result, TimePoint now,
                       std::optional<Duration> open_for = {}) noexcept;
    void settle(CircuitPassage passage, CallResult result, TimePoint now, std::optional<Duration> open_for) noexcept;
    void count(Outcome outcome, const CircuitWord* counting_in, TimePoint now) noexcept;

    // ---- under the breaker's mutex
    // As CircuitOperations::begin.
    bool begin_locked(const CircuitChange& change, std::uint32_t window, TimePoint now) noexcept;
    void follow_locked(const CircuitChange& change, TimePoint now) noexcept;
    // Puts the own state into `target` as the breaker's lever does, until `end` or another lever.
    void pull_locked(CircuitState target, TimePoint end, TimePoint now) noexcept;
    // Its calls count for nobody else.
    [[nodiscard]] bool away(TimePoint now) const noexcept;
    [[nodiscard]] CircuitState state(TimePoint now) const noexcept;
    void reconfigure_locked(const CircuitBreakerConfig& config, OperationReconfiguration& made, TimePoint now) noexcept;

    void count_calls(Stats& stats) const noexcept;

    CircuitBreaker& whole;
    const std::string_view name;
    const std::size_t index;
    StripedCounters<counts> counters;
    // What the operation has in the breaker's windows: filled and emptied with them. Added to before those, so that
    // what is taken out of the breaker's counts is never less than what is in them.
    RollingWindow windows[2];
    const std::unique_ptr<CircuitBreaker> alone;
};

// All operations of one breaker. They stay where they are: handles and permits point at them, or know their number.
class CircuitOperations {
  public:
    static constexpr std::string_view other = "other";

    // The one of this interned name, made if there is none yet and one more is allowed; else that of "other".
    CircuitOperation& find_or_make_locked(CircuitBreaker& breaker, std::string_view name);

    // How many there are. They get new configurations in any order, one each.
    [[nodiscard]] static std::size_t count_locked(const CircuitBreaker& breaker) noexcept;
    static void reconfigure_locked(CircuitBreaker& breaker, const CircuitBreakerConfig& config,
                                   std::vector<OperationReconfiguration>& made, TimePoint now) noexcept;
    // What they have in the breaker's present window, where that forgets its own.
    static void forget_window_locked(CircuitBreaker& breaker, TimePoint now) noexcept;

    // Any thread that has a handle of this one or a permit.
    [[nodiscard]] CircuitOperation& at(std::size_t index) const noexcept { return *all_[index]; }

    // ---- under the breaker's mutex; nothing happens to a breaker without operations.

    // A change of state, before it is published. True if an operation was open or half-open by itself until then.
    static bool begin(CircuitBreaker& breaker, const CircuitChange& change, TimePoint now) noexcept;
    // Another end of a breaker's metrics_only.
    static void measure_until(CircuitBreaker& breaker, TimePoint end, TimePoint now) noexcept;
    // For a breaker that is the state of an operation: its calls count for nobody else until one window from now.
    static void leave_for_one_window(CircuitBreaker& breaker, TimePoint now) noexcept;
    static void tick(CircuitBreaker& breaker, TimePoint now) noexcept;
    // The first of their own states; `never` if none has one.
    [[nodiscard]] static TimePoint next_deadline_locked(const CircuitBreaker& breaker) noexcept;
    // What the breaker's present window has without those that are away.
    [[nodiscard]] static WindowCounts without_away(const CircuitBreaker& breaker, WindowCounts counts,
                                                   TimePoint now) noexcept;
    // Whether the breaker reaches its threshold with these counts, but not without one of its operations: then that one
    // will open alone, or come round.
    [[nodiscard]] static bool due_to_one(const CircuitBreaker& breaker, WindowCounts counts, TimePoint now) noexcept;
    static void describe(const CircuitBreaker& breaker, CircuitBreakerStats& stats, const CircuitPosition& position,
                         TimePoint now);

  private:
    [[nodiscard]] static const CircuitOperations* of(const CircuitBreaker& breaker) noexcept;
    [[nodiscard]] CircuitOperation* find(std::string_view name) const noexcept;

    // max_operations is at most 126.
    static constexpr std::size_t other_place = 126;
    std::array<std::unique_ptr<CircuitOperation>, other_place + 1> all_{};
    std::size_t size_ = 0;
};

}  // namespace resilience::inline v1::detail
