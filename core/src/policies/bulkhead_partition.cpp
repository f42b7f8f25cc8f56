#include <cstdio>
#include <cstdlib>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <string>

#include "checked_name.hpp"

namespace resilience::inline v1 {
namespace {

std::string_view partition_name(std::string_view given) {
    const std::string name(given);
    ConfigProblems problems{detail::policy_subject("bulkhead partition", &name)};
    const std::string_view interned = detail::checked_name(&name, problems);
    problems.throw_if_any();
    return interned;
}

}  // namespace

BulkheadPartition::BulkheadPartition(Bulkhead& bulkhead, std::string_view name, PartitionConfig config)
    : bulkhead_(bulkhead), name_(partition_name(name)), word_(config.reserved) {
    bulkhead_.take_in(*this);  // last: whatever throws before it has changed nothing, and now others see it
}

BulkheadPartition::~BulkheadPartition() {
#ifndef NDEBUG
    const auto [reserved, shared] = word_.read();
    if (reserved + shared != 0) {
        std::fprintf(stderr, "resilience: bulkhead partition \"%.*s\" destroyed while %u of its permits are out\n",
                     static_cast<int>(name_.size()), name_.data(), static_cast<unsigned>(reserved + shared));
        std::abort();
    }
#endif
    bulkhead_.let_go(*this);
}

Admission<BulkheadPartition::Permit> BulkheadPartition::try_acquire() noexcept { return acquire(Bulkhead::unknown); }

Admission<BulkheadPartition::Permit> BulkheadPartition::try_acquire(TimePoint now, const CallContext&) noexcept {
    return acquire(now);
}

Admission<BulkheadPartition::Permit> BulkheadPartition::acquire(TimePoint now) noexcept {
    const bool lets_in = bulkhead_.lets_partitions_in();
    if (lets_in && word_.take_reserved()) return own_place(now);
    Bulkhead::Permit shared;
    if (lets_in && bulkhead_.enter(shared, now)) {
        shared.bulkhead_ = nullptr;  // counted here from now on, and returned by settle
        if (word_.take_instead_of_shared()) {
            bulkhead_.line_.release();
            counters_.add(reserved_admissions);
        } else {
            counters_.add(shared_admissions);
        }
        return Permit(*this);
    }
    // One of its own may have come back while the rest was asked.
    if (lets_in && word_.take_reserved()) return own_place(now);
    counters_.add(refusals);
    return std::unexpected(bulkhead_.refuse(now));
}

Admission<BulkheadPartition::Permit> BulkheadPartition::own_place(TimePoint now) noexcept {
    counters_.add(reserved_admissions);
    if (bulkhead_.events_.wants(EventKind::permitted)) bulkhead_.publish_permitted(now);
    return Permit(*this);
}

void BulkheadPartition::settle(CallResult result, TimePoint now) noexcept {
    Bulkhead& bulkhead = bulkhead_;
    const bool told = bulkhead.events_.wants(EventKind::finished);
    if (word_.give_back()) bulkhead.line_.release();
    if (told) bulkhead.publish_finished(result, now);
}

BulkheadPartitionStats BulkheadPartition::stats() const noexcept {
    const auto [reserved, shared] = word_.read();
    BulkheadPartitionStats stats{.name = name_,
                                 .reserved = word_.places(),
                                 .reserved_in_use = reserved,
                                 .shared_in_use = shared,
                                 .admitted_reserved = counters_.read(reserved_admissions),
                                 .admitted_shared = counters_.read(shared_admissions),
                                 .rejected = counters_.read(refusals)};
    stats.requests = stats.admitted_reserved + stats.admitted_shared + stats.rejected;
    return stats;
}

}  // namespace resilience::inline v1
