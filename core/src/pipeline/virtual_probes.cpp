#include <optional>
#include <resilience/pipeline/virtual_probes.hpp>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

// One probe, as a call that asks nothing of a machine.
class VirtualProbes::Running final : public detail::VirtualFrame {
  public:
    Running(VirtualTime& time, CircuitBreaker::Permit permit) noexcept : time_(time), permit_(std::move(permit)) {}

    void begin(const HealthProbe& probe) {
        detail::RunningAttempt running(time_, *this);
        succeeded_ = probe.succeeds(permit_.admitted_at());
        if (!running.held) time_.plan_end(saturating_add(time_.now(), running.taken), this->shared_from_this());
    }
    void end_attempt() override {
        if (done_) return;
        done_ = true;
        permit_.settle(succeeded_ ? Outcome::success : Outcome::failure, time_.now());
        time_.finished(*this);
    }
    void abandon() noexcept override {
        done_ = true;
        permit_ = {};
    }
    void give_up() noexcept {
        if (done_) return;
        abandon();
        time_.finished(*this);
    }
    void poll() override {}
    void cancel_now() override {}
    void request_cancel() override {}
    void plan_delivery(Waiter&) override {}

  private:
    VirtualTime& time_;
    CircuitBreaker::Permit permit_;
    bool succeeded_ = false;
};

class VirtualProbes::Body : public std::enable_shared_from_this<Body> {
  public:
    Body(VirtualTime& time, CircuitBreaker& breaker) noexcept : time_(time), breaker_(breaker) {}

    // Plans a look at `moment`, unless there is one by then.
    void look_at(TimePoint moment) {
        if (planned_ <= moment) return;
        planned_ = moment;
        time_.at(moment, [body = weak_from_this(), moment] {
            if (const auto alive = body.lock()) alive->look(moment);
        });
    }
    void look(TimePoint planned) {
        if (planned_ == planned) planned_ = never;
        if (auto permit = breaker_.probe_due(time_.now())) {
            std::erase_if(running_, [](const auto& probe) { return probe->done(); });
            const auto probe = running_.emplace_back(std::make_shared<Running>(time_, std::move(*permit)));
            time_.pending(probe);
            probe->begin(breaker_.probe());
        }
        look_at(breaker_.next_probe().value_or(never));
    }
    void stop() noexcept {
        for (const auto& probe : running_) probe->give_up();
    }
    [[nodiscard]] TimePoint now() const noexcept { return time_.now(); }

  private:
    VirtualTime& time_;
    CircuitBreaker& breaker_;
    // More than one only where a probe was set while one before it was out. They may have ended.
    std::vector<std::shared_ptr<Running>> running_;
    TimePoint planned_ = never;
};

VirtualProbes::VirtualProbes(VirtualTime& time, CircuitBreaker& breaker)
    : body_(std::make_shared<Body>(time, breaker)),
      changes_(
          breaker.on_event([body = body_](const Event&) { body->look_at(body->now()); }, only(EventKind::transition))) {
    body_->look(never);
}

VirtualProbes::~VirtualProbes() { body_->stop(); }

}  // namespace resilience::inline v1
