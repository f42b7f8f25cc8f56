#pragma once

// What a guarded function may ask about the call it is part of.
//
//     guarded.execute(CallOptions{.timeout = 2s}, [&](CallContext& call) {
//         return client.get(url, call.remaining());        // nobody sleeps past the caller's deadline
//     });
//
// A context belongs to one call and is used by the thread that runs the attempt. It must not outlive the function.

#include <cstdint>
#include <resilience/base/call_options.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/time.hpp>
#include <stop_token>

namespace resilience::inline v1 {

class CallContext {
  public:
    // Reads the driver's clock: the monotonic clock, or virtual time in a test.
    [[nodiscard]] TimePoint now() const noexcept { return services_ ? services_->now(driver_) : Clock::now(); }

    // 1 for the first attempt.
    [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }

    // The earliest of all deadlines around this attempt; `never` when there is none.
    [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }

    // Time left until the deadline: 0 once it has passed, Duration::max() without one.
    [[nodiscard]] Duration remaining() const noexcept {
        return deadline_ == never ? Duration::max() : time_between(now(), deadline_);
    }

    // For a call inside this one: it inherits deadline and priority. Its tokens, its operation and its report are its
    // own. A timeout may be added; the earlier of the two wins.
    //
    //     inner.execute(call.options(), call.stop_token(), [&] { return client.get(url); });
    [[nodiscard]] CallOptions options() const noexcept {
        CallOptions inherited{.priority = priority_};
        if (deadline_ != never) inherited.deadline = deadline_;
        return inherited;
    }

    [[nodiscard]] Priority priority() const noexcept { return priority_; }
    [[nodiscard]] std::uint64_t tokens() const noexcept { return tokens_; }
    // Of no operation unless the caller named one.
    [[nodiscard]] OperationHandle operation() const noexcept { return operation_; }
    [[nodiscard]] TimePoint started() const noexcept { return started_; }

    // Asked to stop when the caller gives up. The blocking driver hands on the token given to `execute`; without one
    // the token never stops. Drivers that can cancel make a source the first time this is called (one allocation).
    [[nodiscard]] std::stop_token stop_token() {
        return services_ ? services_->stop_token(driver_) : std::stop_token{};
    }

    // ---- for the engine and its drivers ------------------------------------------------------------------------
    // What a context asks of the driver that runs its call.
    struct Services {
        TimePoint (*now)(const void* driver) noexcept;
        std::stop_token (*stop_token)(void* driver);
    };

    CallContext() = default;
    CallContext(TimePoint started, TimePoint deadline, Priority priority, std::uint64_t tokens,
                OperationHandle operation = {}) noexcept
        : started_(started), deadline_(deadline), tokens_(tokens), priority_(priority), operation_(operation) {}

    void serve_from(const Services& services, void* driver) noexcept {
        services_ = &services;
        driver_ = driver;
    }
    void set_attempt(std::uint32_t attempt) noexcept { attempt_ = attempt; }

  private:
    TimePoint started_{};
    TimePoint deadline_ = never;
    std::uint64_t tokens_ = 1;
    std::uint32_t attempt_ = 1;
    Priority priority_ = Priority::normal;
    OperationHandle operation_{};
    const Services* services_ = nullptr;
    void* driver_ = nullptr;
};

}  // namespace resilience::inline v1
