#pragma once

// Places of a bulkhead that are kept for some of its callers, so that the others can never take all of them.
//
//     Bulkhead database{"orders_db", 40};
//     BulkheadPartition checkout = database.partition("checkout", {.reserved = 10});
//     BulkheadPartition reports = database.partition("reports", {.reserved = 2});
//     auto permit = checkout.try_acquire();       // one of its 10, else one of the 28 that everybody shares
//
// Promises:
// - `reserved` calls of the partition can run at once, whatever everybody else does. Callers of the bulkhead itself
//   share the rest (max_concurrent less all that is reserved) with partitions that need more than they reserved.
// - A partition holds places of the rest only while all of its own are in use, and gives those back first.
// - Never more than max_concurrent permits are out in all, except those given out before a limit was lowered or a
//   partition was made.
// - A permit returns exactly once, as that of the bulkhead does. What was done under it is seen by the next holder.
//
// A partition never waits and nobody waits in it: a place of the rest that is given back goes to the bulkhead's queue,
// and while somebody waits there the rest refuses a partition as it refuses all others. Who may wait asks the bulkhead.
// The bulkhead's levers reach its partitions: closed it refuses them with shutting_down, drained (a limit of 0) with
// bulkhead_full. A rejection bears the bulkhead's name, and the bulkhead counts it.
//
// Threads: every member from any. It is neither copied nor moved, must outlive its permits (debug builds abort when it
// is destroyed while one is out), and the bulkhead must outlive it. Its destructor returns what it reserved to the
// rest. It is a gate of its own in a pipeline: `Pipeline guarded{checkout};`. As long as it lives, the bulkhead's stats
// list it. A bulkhead without partitions pays nothing. Cost: one load and one CAS for a place of its own, as much again
// and that of the bulkhead for one of the rest, and one striped counter each; no lock, no allocation.

#include <cstddef>
#include <cstdint>
#include <resilience/base/admission.hpp>
#include <resilience/base/call_context.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition_word.hpp>
#include <string_view>
#include <utility>

namespace resilience::inline v1 {

class BulkheadPartition {
  public:
    class Permit;

    // As Bulkhead::partition, which says what it throws.
    BulkheadPartition(Bulkhead& bulkhead, std::string_view name, PartitionConfig config);
    ~BulkheadPartition();
    BulkheadPartition(const BulkheadPartition&) = delete;
    BulkheadPartition& operator=(const BulkheadPartition&) = delete;

    // A permit, or bulkhead_full, or shutting_down. Never refused while one of its own places stays free.
    Admission<Permit> try_acquire() noexcept;
    // The same for a pipeline: `now` only dates the events.
    Admission<Permit> try_acquire(TimePoint now, const CallContext&) noexcept;

    [[nodiscard]] BulkheadPartitionStats stats() const noexcept;
    // Lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

  private:
    friend class Bulkhead;
    enum Counter : std::size_t { reserved_admissions, shared_admissions, refusals, counters };

    Admission<Permit> acquire(TimePoint now) noexcept;
    Admission<Permit> own_place(TimePoint now) noexcept;
    void settle(CallResult result, TimePoint now) noexcept;

    Bulkhead& bulkhead_;
    BulkheadPartition* next_ = nullptr;  // in the bulkhead's list; guarded by the lock of the levers
    std::string_view name_;
    BulkheadPartitionWord word_;
    StripedCounters<counters> counters_;
};

// One place, of the partition's own or of the rest. Move-only; the empty permit (default-made, moved from, settled)
// holds none.
class [[nodiscard("dropping a permit gives its place back at once")]] BulkheadPartition::Permit {
  public:
    Permit() noexcept = default;
    Permit(Permit&& other) noexcept : partition_(std::exchange(other.partition_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
        if (this != &other) {
            release();
            partition_ = std::exchange(other.partition_, nullptr);
        }
        return *this;
    }
    ~Permit() { release(); }

    // Gives the place back; twice is harmless. The result is only told to listeners of the bulkhead.
    void settle(CallResult result, TimePoint now) noexcept {
        if (BulkheadPartition* const partition = std::exchange(partition_, nullptr)) partition->settle(result, now);
    }
    void settle(CallResult result) noexcept { settle(result, Bulkhead::unknown); }
    void settle(Outcome outcome) noexcept { settle(result_of(outcome)); }
    // For a pipeline.
    template <class Step>
        requires requires(const Step& step) { static_cast<CallResult>(step.result), static_cast<TimePoint>(step.at); }
    void settle(const Step& step) noexcept {
        settle(step.result, step.at);
    }
    // As letting the permit die: the result is `ignored`.
    void release() noexcept { settle(CallResult::ignored); }

    [[nodiscard]] explicit operator bool() const noexcept { return partition_ != nullptr; }

  private:
    friend class BulkheadPartition;
    explicit Permit(BulkheadPartition& partition) noexcept : partition_(&partition) {}

    BulkheadPartition* partition_ = nullptr;
};

inline BulkheadPartition Bulkhead::partition(std::string_view name, PartitionConfig config) {
    return BulkheadPartition(*this, name, config);
}

}  // namespace resilience::inline v1
