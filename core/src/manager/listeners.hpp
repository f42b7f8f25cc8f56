#pragma once

// Those who listen to every policy of a manager, whether registered before them or after.

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <resilience/base/events.hpp>
#include <utility>
#include <vector>

namespace resilience::inline v1::detail {

// One listener and its subscriptions, one for each policy. Destroying them waits for the listener where it runs.
struct ManagerListener {
    ManagerListener(Listener listener, EventKinds wanted)
        : call(std::make_shared<const Listener>(std::move(listener))), kinds(wanted) {}

    // One function for all policies: a policy's channel holds a reference to it and not a copy.
    [[nodiscard]] Listener shared() const {
        return [call = call](const Event& event) { (*call)(event); };
    }
    // Makes room for one more subscription, so that adding it cannot fail.
    void reserve_one() {
        if (subscriptions.size() == subscriptions.capacity()) subscriptions.reserve(2 * subscriptions.size() + 1);
    }

    // Moves what it holds of this policy to `ended`, which has room for it.
    void give_up(const void* policy, std::vector<Subscription>& ended) noexcept {
        const auto mine = std::ranges::find(subscriptions, policy, &OfPolicy::policy);
        if (mine == subscriptions.end()) return;
        ended.push_back(std::move(mine->subscription));
        if (mine != subscriptions.end() - 1) *mine = std::move(subscriptions.back());
        subscriptions.pop_back();
    }

    struct OfPolicy {
        const void* policy;
        Subscription subscription;
    };
    std::shared_ptr<const Listener> call;
    EventKinds kinds;
    std::vector<OfPolicy> subscriptions;
    Subscription to_registrations;
};

// Shared by the manager and the subscriptions it gave out, which may outlive it. The lock order is the manager's lock,
// then this one. Ending a subscription takes this one alone and waits for nothing under it.
struct ManagerListeners {
    using Position = std::list<ManagerListener>::iterator;

    // Under the manager's lock none is added.
    [[nodiscard]] std::size_t count() {
        const std::scoped_lock lock(mutex);
        return all.size();
    }

    std::mutex mutex;
    std::list<ManagerListener> all;
};

// What the Subscription of a manager holds.
class ManagerListening {
  public:
    ManagerListening(std::shared_ptr<ManagerListeners> listeners, ManagerListeners::Position mine) noexcept
        : listeners_(std::move(listeners)), mine_(mine) {}
    ManagerListening(const ManagerListening&) = delete;
    ManagerListening& operator=(const ManagerListening&) = delete;
    ~ManagerListening() {
        std::list<ManagerListener> ended;  // destroyed after the lock: that waits for the listener where it runs
        const std::scoped_lock lock(listeners_->mutex);
        ended.splice(ended.begin(), listeners_->all, mine_);
    }

  private:
    std::shared_ptr<ManagerListeners> listeners_;
    ManagerListeners::Position mine_;
};

}  // namespace resilience::inline v1::detail
