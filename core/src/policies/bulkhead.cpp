#include "checked_name.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>

namespace resilience::inline v1 {
namespace {

constexpr std::uint32_t longest_queue = 1'000'000;

// One for all bulkheads: levers are rare and short. Keeps limit, closed mark and the order of events together.
constinit std::mutex levers;

std::string_view checked(const std::string* name, const BulkheadConfig& config) {
    ConfigProblems problems{detail::policy_subject("bulkhead", name)};
    if (config.max_concurrent < 1 || config.max_concurrent > BulkheadWord::highest_limit) {
        problems.add("max_concurrent", "is " + std::to_string(config.max_concurrent) +
                                           "; use 1 to 16777215 (a negative number becomes a huge one)");
    }
    if (config.queue_size > longest_queue) {
        problems.add("queue_size", "is " + std::to_string(config.queue_size) +
                                       "; use 0 to 1000000 (a negative number becomes a huge one)");
    }
    const std::string_view interned = detail::checked_name(name, problems);
    problems.throw_if_any();
    return interned;
}

TimePoint time_or_clock(TimePoint now, TimePoint unknown) noexcept { return now == unknown ? Clock::now() : now; }

}  // namespace

Bulkhead::Bulkhead(std::string name, std::uint32_t max_concurrent, std::uint32_t queue_size)
    : Bulkhead(std::move(name), BulkheadConfig{.max_concurrent = max_concurrent, .queue_size = queue_size}) {}

Bulkhead::Bulkhead(std::string name, BulkheadConfig config)
    : limit_(config.max_concurrent),
      max_concurrent_(config.max_concurrent),
      queue_size_(config.queue_size),
      name_(checked(&name, config)) {}

Bulkhead::Bulkhead(BulkheadConfig config)
    : limit_(config.max_concurrent),
      max_concurrent_(config.max_concurrent),
      queue_size_(config.queue_size),
      name_(checked(nullptr, config)) {}

Bulkhead::~Bulkhead() {
#ifndef NDEBUG
    if (const std::uint32_t out = word_.read().in_use; out != 0) {
        std::fprintf(stderr, "resilience: bulkhead \"%.*s\" destroyed while %u of its permits are out\n",
                     static_cast<int>(name_.size()), name_.data(), static_cast<unsigned>(out));
        std::abort();
    }
#endif
}

void Bulkhead::set_max_concurrent(std::uint32_t max_concurrent) {
    if (max_concurrent > BulkheadWord::highest_limit) {
        const std::string name(name_);
        ConfigProblems problems{detail::policy_subject("bulkhead", name_.empty() ? nullptr : &name)};
        problems.add("max_concurrent", "is " + std::to_string(max_concurrent) +
                                           "; use 0 to 16777215 (a negative number becomes a huge one)");
        problems.throw_if_any();
    }
    {
        const std::scoped_lock lock(levers);
        const std::uint32_t before = max_concurrent_.exchange(max_concurrent, std::memory_order_relaxed);
        if (before == max_concurrent) return;
        if (!closed_.load(std::memory_order_relaxed)) limit_.store(max_concurrent, std::memory_order_relaxed);
        events_.enqueue(Event{.kind = EventKind::limit_changed,
                              .policy = PolicyKind::bulkhead,
                              .name = name_,
                              .at = Clock::now(),
                              .limit_before = static_cast<double>(before),
                              .limit_after = static_cast<double>(max_concurrent)});
    }
    events_.deliver();
}

void Bulkhead::close() {
    {
        const std::scoped_lock lock(levers);
        if (closed_.load(std::memory_order_relaxed)) return;
        closed_.store(true, std::memory_order_relaxed);
        // Release: pairs with admit(), see there.
        limit_.store(0, std::memory_order_release);
        events_.enqueue(
            Event{.kind = EventKind::lever, .policy = PolicyKind::bulkhead, .name = name_, .at = Clock::now()});
    }
    events_.deliver();
}

BulkheadStats Bulkhead::stats() const {
    BulkheadStats stats{
        .queue_size = queue_size_,
        .rejected = {.bulkhead_full = counters_.read(bulkhead_full), .shutting_down = counters_.read(shutting_down)},
        .listener_exceptions = events_.listener_exceptions(),
        .events_dropped = events_.dropped()};
    {
        const std::scoped_lock lock(levers);
        stats.max_concurrent = max_concurrent_.load(std::memory_order_relaxed);
        stats.closed = closed_.load(std::memory_order_relaxed);
    }
    const BulkheadWord::Reading reading = word_.read();
    stats.in_use = reading.in_use;
    stats.admitted = reading.admitted;
    stats.settled = reading.admitted - reading.in_use;
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

Subscription Bulkhead::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

Rejection Bulkhead::refuse(TimePoint now) noexcept {
    const bool closed = closed_.load(std::memory_order_relaxed);
    const RejectionReason reason = closed ? RejectionReason::shutting_down : RejectionReason::bulkhead_full;
    counters_.add(closed ? shutting_down : bulkhead_full);
    if (events_.wants(EventKind::refused)) {
        events_.publish(Event{.kind = EventKind::refused,
                              .policy = PolicyKind::bulkhead,
                              .name = name_,
                              .at = time_or_clock(now, unknown),
                              .reason = reason});
    }
    return Rejection{.reason = reason, .kind = PolicyKind::bulkhead, .policy = name_};
}

void Bulkhead::publish_permitted(TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::permitted,
                          .policy = PolicyKind::bulkhead,
                          .name = name_,
                          .at = time_or_clock(now, unknown)});
}

void Bulkhead::publish_finished(CallResult result, TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::finished,
                          .policy = PolicyKind::bulkhead,
                          .name = name_,
                          .at = time_or_clock(now, unknown),
                          .result = result});
}

}  // namespace resilience::inline v1
