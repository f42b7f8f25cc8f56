#pragma once

// The policies of one kind in a manager: made, found, removed.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/manager/series_overflow.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "differences.hpp"
#include "idleness.hpp"
#include "listeners.hpp"

namespace resilience::inline v1::detail {

// What was taken out of a manager, to be destroyed after its locks: that runs the destructors of policies and waits for
// listeners.
struct TakenOut {
    std::vector<std::shared_ptr<void>> policies{};
    std::vector<Subscription> subscriptions{};
    std::vector<std::string_view> names{};

    // Room for so many more policies with that many listeners, so that taking them out cannot fail.
    void reserve(std::size_t more, std::size_t listeners) {
        policies.reserve(policies.size() + more);
        names.reserve(names.size() + more);
        subscriptions.reserve(subscriptions.size() + more * listeners);
    }
};

// A policy that has events.
template <class Policy>
concept Heard = requires(Policy& policy, Listener listener) { policy.on_event(std::move(listener), EventKinds{}); };

// Guarded by the manager's lock. Names are interned: the keys live as long as the process.
template <class Policy, class Config>
class PoliciesByName {
  public:
    struct Entry {
        std::shared_ptr<Policy> policy;
        Config registered;
        bool own_series;
        LastUse last_use{};
    };
    using Entries = std::map<std::string_view, Entry>;
    using Made = Policy;

    // The first `most_series` of them have series of their own.
    PoliciesByName(PolicyKind kind, std::string_view words, std::size_t most_series) noexcept
        : kind_(kind), words_(words), most_series_(most_series) {}

    [[nodiscard]] PolicyKind kind() const noexcept { return kind_; }
    [[nodiscard]] std::string_view words() const noexcept { return words_; }
    [[nodiscard]] const Entries& entries() const noexcept { return entries_; }

    [[nodiscard]] std::shared_ptr<Policy> find(std::string_view name) const {
        const auto known = entries_.find(name);
        return known == entries_.end() ? nullptr : known->second.policy;
    }

    // nullptr when unknown; throws when it is known with another configuration.
    [[nodiscard]] std::shared_ptr<Policy> find_same(std::string_view name, const Config& config) const {
        const auto known = entries_.find(name);
        if (known == entries_.end()) return nullptr;
        if (known->second.registered == config) return known->second.policy;
        ConfigProblems problems{std::string(words_) + ' ' + quoted_text(name)};
        add_differences(problems, known->second.registered, config);
        problems.throw_if_any();
        return nullptr;
    }

    // Everything that can throw comes before the first change that anybody can see.
    void add(const std::shared_ptr<Policy>& policy, const Config& config, ManagerListeners& listeners) {
        const std::scoped_lock lock(listeners.mutex);
        std::vector<Subscription> subscriptions;
        subscriptions.reserve(listeners.all.size());
        if constexpr (Heard<Policy>) {
            for (ManagerListener& listener : listeners.all) {
                subscriptions.push_back(policy->on_event(listener.shared(), listener.kinds));
                listener.reserve_one();
            }
        }
        const bool own_series = own_series_ < most_series_;
        entries_.emplace(policy->name(), Entry{policy, config, own_series});
        own_series_ += own_series ? 1U : 0U;
        auto listener = listeners.all.begin();
        for (Subscription& subscription : subscriptions) {
            (listener++)->subscriptions.push_back({policy.get(), std::move(subscription)});
        }
    }

    void subscribe(ManagerListener& listener) const {
        if constexpr (Heard<Policy>) {
            for (const auto& [name, entry] : entries_) {
                listener.reserve_one();
                listener.subscriptions.push_back(
                    {entry.policy.get(), entry.policy->on_event(listener.shared(), listener.kinds)});
            }
        }
    }

    // Everything of taking that policy out that can fail, but for the room in TakenOut. False: unknown.
    bool prepare(std::string_view name) {
        const auto known = entries_.find(name);
        if (known == entries_.end()) return false;
        prepare(known);
        return true;
    }

    // What was prepared. False: unknown.
    bool take_out(std::string_view name, ManagerListeners& listeners, TakenOut& taken) noexcept {
        const auto known = entries_.find(name);
        if (known == entries_.end()) return false;
        take_out(known, listeners, taken);
        return true;
    }

    // Takes out those that have been idle for so long, at most `most`, of the names behind `after`. The last name that
    // was looked at, or nothing when there is none left to look at.
    std::optional<std::string_view> take_out_idle(std::string_view after, std::size_t most, Duration idle_for,
                                                  TimePoint now, ManagerListeners& listeners, TakenOut& taken) {
        std::size_t took = 0;
        for (auto entry = entries_.upper_bound(after); entry != entries_.end();) {
            const auto looked_at = entry++;
            Entry& known = looked_at->second;
            const bool idle = known.last_use.idle_for(use_of(*known.policy, known.registered, now), now) >= idle_for;
            // Nobody can get hold of it meanwhile: the manager's own pointer is the only one and its lock is held.
            if (!idle || known.policy.use_count() > 1) continue;
            const std::string_view name = looked_at->first;
            prepare(looked_at);
            taken.reserve(1, listeners.count());
            take_out(looked_at, listeners, taken);
            if (++took == most) return name;
        }
        return std::nullopt;
    }

    using Stats = decltype(std::declval<const Policy&>().stats());

    // What is left of those that were taken out.
    struct Removed {
        std::optional<Stats> without_series{};  // the counters of those without series of their own
        std::uint64_t listener_exceptions = 0;  // of all
        std::uint64_t events_dropped = 0;
    };
    [[nodiscard]] const Removed& removed() const noexcept { return removed_; }

  private:
    void prepare(typename Entries::iterator known) {
        const Stats last = known->second.policy->stats();
        Removed after = removed_;
        if (!known->second.own_series) {
            if (!after.without_series) after.without_series.emplace();
            add_counters(*after.without_series, last);
        }
        if constexpr (Heard<Policy>) {
            after.listener_exceptions += last.listener_exceptions;
            after.events_dropped += last.events_dropped;
        }
        removed_after_ = std::move(after);
    }

    void take_out(typename Entries::iterator known, ManagerListeners& listeners, TakenOut& taken) noexcept {
        removed_ = std::move(removed_after_);
        own_series_ -= known->second.own_series ? 1U : 0U;
        {
            const std::scoped_lock lock(listeners.mutex);
            for (ManagerListener& listener : listeners.all)
                listener.give_up(known->second.policy.get(), taken.subscriptions);
        }
        taken.names.push_back(known->first);
        taken.policies.push_back(std::move(known->second.policy));
        entries_.erase(known);
    }

    PolicyKind kind_;
    std::string_view words_;
    std::size_t most_series_;
    std::size_t own_series_ = 0;
    Entries entries_;
    Removed removed_{};
    Removed removed_after_{};  // what `prepare` makes of it
};

}  // namespace resilience::inline v1::detail
