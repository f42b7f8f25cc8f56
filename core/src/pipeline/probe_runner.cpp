#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/base/parker.hpp>
#include <resilience/pipeline/probe_runner.hpp>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

class ProbeRunner::Body {
  public:
    Body() : watch_([this](const std::stop_token& stop) { watch(stop); }) {}
    ~Body();
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;

    void add(std::shared_ptr<CircuitBreaker> breaker);
    void remove(const CircuitBreaker& breaker) noexcept;

  private:
    static constexpr Duration longest_sleep = std::chrono::seconds(1);

    struct Watched {
        const CircuitBreaker* which = nullptr;  // stays when the breaker is let go
        std::shared_ptr<CircuitBreaker> breaker;
        Subscription changes;
        int used = 0;          // by the watch and by its probe; guarded by the mutex, as is the next
        bool removed = false;  // stays in the list until it has been let go
    };
    struct Probe {
        std::shared_ptr<Watched> of;
        CircuitBreaker::Permit permit;
    };

    void watch(const std::stop_token& stop);
    [[nodiscard]] TimePoint look(const std::shared_ptr<Watched>& watched);
    void hand_over(Probe probe);
    void work();
    static void run(Probe& probe) noexcept;
    [[nodiscard]] bool begin_use(Watched& watched) noexcept;
    void end_use(Watched& watched) noexcept;

    Parker parker_;  // of the watch; outlives the subscriptions that wake it
    std::mutex mutex_;
    std::condition_variable work_there_;
    std::condition_variable use_ended_;  // or a breaker was let go
    std::vector<std::shared_ptr<Watched>> watched_;
    std::deque<Probe> to_run_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
    std::vector<std::jthread> workers_;
    std::jthread watch_;
};

ProbeRunner::Body::~Body() {
    watch_.request_stop();
    watch_.join();
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    work_there_.notify_all();
    for (std::jthread& worker : workers_) worker.join();
}

void ProbeRunner::Body::add(std::shared_ptr<CircuitBreaker> breaker) {
    auto added = std::make_shared<Watched>();
    added->which = breaker.get();
    added->breaker = std::move(breaker);
    added->changes =
        added->breaker->on_event([this](const Event&) { parker_.wake([] {}); }, only(EventKind::transition));
    {
        const std::scoped_lock lock(mutex_);
        const auto same = [&](const auto& each) { return each->which == added->which && !each->removed; };
        if (std::ranges::any_of(watched_, same)) return;
        watched_.push_back(added);
    }
    parker_.wake([] {});
}

void ProbeRunner::Body::remove(const CircuitBreaker& breaker) noexcept {
    std::unique_lock lock(mutex_);
    const auto same = [&](const auto& each) { return each->which == &breaker; };
    const auto found = std::ranges::find_if(watched_, [&](const auto& each) { return same(each) && !each->removed; });
    if (found != watched_.end()) {
        // Kept: the list may change while the mutex is not held.
        const std::shared_ptr<Watched> removed = watched_[static_cast<std::size_t>(found - watched_.begin())];
        removed->removed = true;
        use_ended_.wait(lock, [&] { return removed->used == 0; });
        lock.unlock();
        // Not left to a copy that the watch may still hold of its list.
        removed->changes.reset();
        removed->breaker.reset();
        lock.lock();
        std::erase(watched_, removed);
        use_ended_.notify_all();
    }
    // Another thread may be about to let it go.
    use_ended_.wait(lock, [&] {
        return std::ranges::none_of(watched_, [&](const auto& each) { return same(each) && each->removed; });
    });
}

bool ProbeRunner::Body::begin_use(Watched& watched) noexcept {
    const std::scoped_lock lock(mutex_);
    if (watched.removed) return false;
    ++watched.used;
    return true;
}

void ProbeRunner::Body::end_use(Watched& watched) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        --watched.used;
    }
    use_ended_.notify_all();
}

void ProbeRunner::Body::watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        TimePoint next = saturating_add(Clock::now(), longest_sleep);
        try {
            std::unique_lock lock(mutex_);
            const std::vector<std::shared_ptr<Watched>> all = watched_;
            lock.unlock();
            for (const auto& watched : all) next = std::min(next, look(watched));
        } catch (...) {
            // Without memory or another thread: the probe's permit was dropped, its turn comes again.
            next = saturating_add(Clock::now(), longest_sleep);
        }
        parker_.park(next, stop);
    }
}

TimePoint ProbeRunner::Body::look(const std::shared_ptr<Watched>& watched) {
    if (!begin_use(*watched)) return never;
    struct Use {
        Body& body;
        Watched& watched;
        ~Use() { body.end_use(watched); }
    } const use{*this, *watched};
    CircuitBreaker& breaker = *watched->breaker;
    if (auto permit = breaker.probe_due(Clock::now())) hand_over({watched, std::move(*permit)});
    return breaker.next_probe().value_or(never);
}

// To a thread that has nothing to do, or to a new one: nothing waits behind a probe that hangs.
void ProbeRunner::Body::hand_over(Probe probe) {
    const std::scoped_lock lock(mutex_);
    if (idle_ <= to_run_.size()) workers_.emplace_back([this] { work(); });
    to_run_.push_back(std::move(probe));
    ++to_run_.back().of->used;
    work_there_.notify_one();
}

void ProbeRunner::Body::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        work_there_.wait(lock, [this] { return stopping_ || !to_run_.empty(); });
        --idle_;
        if (stopping_) return;
        Probe probe = std::move(to_run_.front());
        to_run_.pop_front();
        lock.unlock();
        run(probe);
        end_use(*probe.of);
        probe.of.reset();
        lock.lock();
    }
}

void ProbeRunner::Body::run(Probe& probe) noexcept {
    const HealthProbe function = probe.of->breaker->probe();
    Outcome outcome = Outcome::ignored;  // taken away since
    if (function) outcome = function.succeeds(probe.permit.admitted_at()) ? Outcome::success : Outcome::failure;
    probe.permit.settle(outcome, Clock::now());
}

ProbeRunner::ProbeRunner() : body_(std::make_unique<Body>()) {}
ProbeRunner::~ProbeRunner() = default;

void ProbeRunner::add(CircuitBreaker& breaker) {
    add(std::shared_ptr<CircuitBreaker>(std::shared_ptr<void>{}, &breaker));
}
void ProbeRunner::add(std::shared_ptr<CircuitBreaker> breaker) {
    ConfigProblems problems{"probe runner"};
    problems.expect(breaker != nullptr, "breaker", "null circuit breaker");
    problems.throw_if_any();
    body_->add(std::move(breaker));
}
void ProbeRunner::remove(const CircuitBreaker& breaker) noexcept { body_->remove(breaker); }

}  // namespace resilience::inline v1
