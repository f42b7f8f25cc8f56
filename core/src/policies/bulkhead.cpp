#include "checked_name.hpp"
#include "out_of_range.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <thread>

namespace resilience::inline v1 {
namespace {

constexpr std::uint32_t longest_queue = 1'000'000;

// One for all bulkheads: levers are rare and short. Keeps limit, closed mark and the order of events together, and a
// partition alive while its stats are read.
constinit std::mutex levers;

std::string_view checked_bulkhead(const std::string* name, const BulkheadConfig& config) {
    ConfigProblems problems{detail::policy_subject("bulkhead", name)};
    if (config.max_concurrent < 1 || config.max_concurrent > BulkheadWord::highest_limit) {
        problems.add("max_concurrent",
                     detail::is(config.max_concurrent, "1 to 16777215 (a negative number becomes a huge one)"));
    }
    if (config.queue_size > longest_queue) {
        problems.add("queue_size",
                     detail::is(config.queue_size, "0 to 1000000 (a negative number becomes a huge one)"));
    }
    if (config.max_wait < Duration::zero()) {
        problems.add("max_wait", "is negative; use 0 (never wait) or longer");
    }
    if (config.record_wait && config.queue_size == 0) {
        problems.add("record_wait", "is true; use a queue_size above 0 with it");
    }
    const std::string_view interned = detail::checked_name(name, problems);
    problems.throw_if_any();
    return interned;
}

// What everybody shares. A limit of 0 drains, whatever is reserved.
std::uint32_t not_reserved(std::uint32_t max_concurrent, std::uint32_t reserved) noexcept {
    return max_concurrent > reserved ? max_concurrent - reserved : 0;
}

void refuse_limit(std::string_view named, std::string message) {
    const std::string name(named);
    ConfigProblems problems{detail::policy_subject("bulkhead", name.empty() ? nullptr : &name)};
    problems.add("max_concurrent", std::move(message));
    problems.throw_if_any();
}

TimePoint time_or_clock(TimePoint now, TimePoint unknown) noexcept { return now == unknown ? Clock::now() : now; }

}  // namespace

struct Bulkhead::Checked {
    Checked(const std::string* given_name, const BulkheadConfig& given)
        : name(checked_bulkhead(given_name, given)), config(given) {}
    std::string_view name;
    BulkheadConfig config;
};

Bulkhead::Bulkhead(std::string name, std::uint32_t max_concurrent, std::uint32_t queue_size)
    : Bulkhead(std::move(name), BulkheadConfig{.max_concurrent = max_concurrent, .queue_size = queue_size}) {}

Bulkhead::Bulkhead(const Checked& checked)
    : line_(checked.config.max_concurrent, checked.config.queue_size, checked.config.record_wait),
      max_concurrent_(checked.config.max_concurrent),
      max_wait_(checked.config.max_wait.count()),
      name_(checked.name) {}

Bulkhead::Bulkhead(std::string name, BulkheadConfig config) : Bulkhead(Checked(&name, config)) {}

Bulkhead::Bulkhead(BulkheadConfig config) : Bulkhead(Checked(nullptr, config)) {}

Bulkhead::~Bulkhead() {
    BasicDeliveries<> deliveries;
    send_everybody_away(deliveries);
    deliveries.deliver();
    while (!line_.empty_of_sleepers()) std::this_thread::yield();
#ifndef NDEBUG
    if (const std::uint32_t out = line_.read().in_use; out != 0) {
        std::fprintf(stderr, "resilience: bulkhead \"%.*s\" destroyed while %u of its permits are out\n",
                     static_cast<int>(name_.size()), name_.data(), static_cast<unsigned>(out));
        std::abort();
    }
#endif
}

Admission<Bulkhead::Permit> Bulkhead::acquire_for(Duration max_wait, const std::stop_token& stop) {
    if (admit(unknown)) return Permit(*this);
    if (!opens_line() || max_wait <= Duration::zero() || closed_.load(std::memory_order_relaxed)) {
        return std::unexpected(refuse(unknown));
    }
    const TimePoint now = Clock::now();
    PlaceInLine<Bulkhead> place(*this);
    Rejection why;
    const WaitTerms terms{.until = saturating_add(now, max_wait), .blocking = true};
    if (!detail::sleep_in_line(place, terms, stop, now, why)) return std::unexpected(why);
    return place.adopt(unknown);
}

bool Bulkhead::join_line(Waiter& waiter, TimePoint now, const WaitTerms&, Rejection& why) noexcept {
    switch (line_.join(waiter)) {
        case BulkheadLine::Joined::yes:
            return true;
        case BulkheadLine::Joined::full:
            why = refuse_because(RejectionReason::queue_full, now);
            return false;
        case BulkheadLine::Joined::closed:
            why = refuse_because(RejectionReason::shutting_down, now);
            return false;
    }
    return false;
}

bool Bulkhead::leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept {
    if (!line_.withdraw(waiter)) return false;
    why = refuse_because(reason, now);
    return true;
}

Bulkhead::Permit Bulkhead::adopt(Waiter& waiter, TimePoint now) noexcept {
    if (line_.records()) line_.record(time_between(waiter.since, time_or_clock(now, unknown)));
    if (events_.wants(EventKind::permitted)) publish_permitted(now);
    return Permit(*this);
}

void Bulkhead::set_max_concurrent(std::uint32_t max_concurrent) {
    if (max_concurrent > BulkheadWord::highest_limit) {
        refuse_limit(name_, "is " + std::to_string(max_concurrent) +
                                "; use 0 to 16777215 (a negative number becomes a huge one)");
    }
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        if (max_concurrent != 0 && max_concurrent < reserved_) {
            refuse_limit(name_, "is " + std::to_string(max_concurrent) + "; its partitions reserve " +
                                    std::to_string(reserved_));
        }
        const std::uint32_t before = max_concurrent_.exchange(max_concurrent, std::memory_order_relaxed);
        if (before == max_concurrent) return;
        if (!closed_.load(std::memory_order_relaxed)) {
            line_.set_limit(not_reserved(max_concurrent, reserved_), deliveries);
        }
        events_.enqueue(Event{.kind = EventKind::limit_changed,
                              .policy = PolicyKind::bulkhead,
                              .name = name_,
                              .at = Clock::now(),
                              .limit_before = static_cast<double>(before),
                              .limit_after = static_cast<double>(max_concurrent)});
    }
    deliveries.deliver();
    events_.deliver();
}

void Bulkhead::take_in(BulkheadPartition& partition) {
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        const std::string name(partition.name_);
        ConfigProblems problems{detail::policy_subject("bulkhead partition", &name)};
        const std::uint32_t places = partition.word_.places();
        const std::uint32_t left = not_reserved(max_concurrent_.load(std::memory_order_relaxed), reserved_);
        if (places > left) {
            problems.add("reserved", "is " + std::to_string(places) + "; bulkhead has " + std::to_string(left) +
                                         " places that are not reserved");
        }
        BulkheadPartition** last = &partitions_;
        for (; *last != nullptr; last = &(*last)->next_) {
            // Interned: one place in memory for each text.
            if ((*last)->name_.data() == partition.name_.data()) problems.add("name", "is that of another partition");
        }
        problems.throw_if_any();
        *last = &partition;
        reserved_ += places;
        if (!closed_.load(std::memory_order_relaxed)) line_.set_limit(left - places, deliveries);
    }
    deliveries.deliver();
}

void Bulkhead::let_go(BulkheadPartition& partition) noexcept {
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        BulkheadPartition** link = &partitions_;
        while (*link != &partition) link = &(*link)->next_;
        *link = partition.next_;
        reserved_ -= partition.word_.places();
        if (!closed_.load(std::memory_order_relaxed)) {
            line_.set_limit(not_reserved(max_concurrent_.load(std::memory_order_relaxed), reserved_), deliveries);
        }
    }
    deliveries.deliver();
}

void Bulkhead::close() {
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        if (closed_.load(std::memory_order_relaxed)) return;
        closed_.store(true, std::memory_order_relaxed);
        send_everybody_away(deliveries);
        events_.enqueue(
            Event{.kind = EventKind::lever, .policy = PolicyKind::bulkhead, .name = name_, .at = Clock::now()});
    }
    deliveries.deliver();
    events_.deliver();
}

// Nobody got the permit: how long that took is not recorded.
void Bulkhead::return_turn(Waiter&, TimePoint now) noexcept {
    if (events_.wants(EventKind::permitted)) publish_permitted(now);
    settle(CallResult::ignored, now);
}

void Bulkhead::send_everybody_away(BasicDeliveries<>& deliveries) noexcept {
    const auto refuse_each = [this](Waiter& waiter) {
        counters_.add(shutting_down);
        waiter.why = rejection_of(RejectionReason::shutting_down);
        enqueue_refused(RejectionReason::shutting_down, Clock::now());
    };
    line_.close(refuse_each, deliveries);
}

BulkheadStats Bulkhead::stats(TimePoint now) const {
    BulkheadStats stats{.queue_size = line_.queue_size(),
                        .rejected = {.bulkhead_full = counters_.read(bulkhead_full),
                                     .queue_full = counters_.read(queue_full),
                                     .queue_timeout = counters_.read(queue_timeout),
                                     .deadline_exceeded = counters_.read(deadline_exceeded),
                                     .cancelled = counters_.read(cancelled),
                                     .shutting_down = counters_.read(shutting_down)},
                        .listener_exceptions = events_.listener_exceptions(),
                        .events_dropped = events_.dropped(),
                        .wait = line_.waits()};
    {
        const std::scoped_lock lock(levers);
        stats.max_concurrent = not_reserved(max_concurrent_.load(std::memory_order_relaxed), reserved_);
        stats.closed = closed_.load(std::memory_order_relaxed);
        for (const BulkheadPartition* each = partitions_; each != nullptr; each = each->next_) {
            stats.partitions.push_back(each->stats());
        }
    }
    const BulkheadLine::Waiting waiting = line_.waiting();
    stats.queue_depth = waiting.depth;
    if (waiting.oldest_since) stats.oldest_waiter = time_between(*waiting.oldest_since, now);
    const BulkheadWord::Reading reading = line_.read();
    stats.in_use = reading.in_use;
    stats.admitted = reading.admitted;
    stats.settled = reading.admitted - reading.in_use;
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

Subscription Bulkhead::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

Bulkhead::Counter Bulkhead::counter_of(RejectionReason reason) noexcept {
    switch (reason) {
        case RejectionReason::queue_full:
            return queue_full;
        case RejectionReason::queue_timeout:
            return queue_timeout;
        case RejectionReason::deadline_exceeded:
            return deadline_exceeded;
        case RejectionReason::cancelled:
            return cancelled;
        case RejectionReason::shutting_down:
            return shutting_down;
        default:
            return bulkhead_full;
    }
}

Rejection Bulkhead::rejection_of(RejectionReason reason) const noexcept {
    return {.reason = reason, .kind = PolicyKind::bulkhead, .policy = name_};
}

Rejection Bulkhead::refuse(TimePoint now) noexcept {
    const bool closed = closed_.load(std::memory_order_relaxed);
    return refuse_because(closed ? RejectionReason::shutting_down : RejectionReason::bulkhead_full, now);
}

Rejection Bulkhead::refuse_because(RejectionReason reason, TimePoint now) noexcept {
    counters_.add(counter_of(reason));
    if (events_.wants(EventKind::refused)) {
        enqueue_refused(reason, now);
        events_.deliver();
    }
    return rejection_of(reason);
}

void Bulkhead::enqueue_refused(RejectionReason reason, TimePoint now) noexcept {
    if (!events_.wants(EventKind::refused)) return;
    events_.enqueue(Event{.kind = EventKind::refused,
                          .policy = PolicyKind::bulkhead,
                          .name = name_,
                          .at = time_or_clock(now, unknown),
                          .reason = reason});
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
