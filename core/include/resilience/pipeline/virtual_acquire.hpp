#pragma once

// `acquire_for` in virtual time: one stay in the line of a policy, without a function to run afterwards.
//
// Users write VirtualTime::acquire_for or start_acquire; this is the frame behind them.

#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/gates/bulkhead.hpp>
#include <resilience/pipeline/gates/rate_limiter.hpp>
#include <resilience/pipeline/virtual_call.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1::detail {

template <class Time, class Policy, class AnswerType>
class VirtualAcquire final : public VirtualCall<AnswerType>::Ended {
    using Entrance = LineOf<Policy>;
    using Permit = typename Entrance::Permit;
    using Look = typename PlaceInLine<Policy>::Look;

  public:
    VirtualAcquire(Time& time, Policy& policy) noexcept : time_(time), policy_(policy), place_(policy) {}

    void begin(std::uint64_t tokens, Duration max_wait) {
        const TimePoint now = time_.now();
        const CallContext context(now, never, Priority::normal, tokens);
        Permit permit = Entrance::no_permit();
        if (Entrance::enter(policy_, now, context, permit)) return granted(std::move(permit));
        if (max_wait <= Duration::zero() || !policy_.opens_line(tokens)) {
            return refused(Entrance::refuse(policy_, now, context));
        }
        const WaitTerms terms{.until = saturating_add(now, max_wait), .tokens = tokens};
        if (!place_.join(this->waker(), now, terms, why_)) return refused(why_);
        poll();
    }
    void poll() override {
        if (this->done_) return;
        const TimePoint now = time_.now();
        switch (place_.look(now, cancelled_, why_)) {
            case Look::waiting:
                if (place_.next() != never) time_.plan_poll(place_.next(), this->shared_from_this());
                return;
            case Look::granted:
                return granted(place_.adopt(now));
            case Look::refused:
                return refused(why_);
        }
    }
    void end_attempt() override {}
    void request_cancel() override {
        if (this->done_ || cancelled_) return;
        cancelled_ = true;
        time_.plan_cancel(this->shared_from_this());
    }
    void cancel_now() override { poll(); }
    void abandon() noexcept override {
        place_.abandon(time_.now(), [](Waiter& waiter) { waiter.arrive(); });
        this->done_ = true;
    }
    void plan_delivery(Waiter& waiter) override { time_.plan_delivery(this->shared_from_this(), waiter); }

  private:
    void granted(Permit permit) {
        if constexpr (std::is_constructible_v<AnswerType, Permit>) {
            this->answer.emplace(std::move(permit));
        } else {
            this->answer.emplace();
        }
        end();
    }
    void refused(const Rejection& why) {
        this->answer.emplace(std::unexpect, why);
        end();
    }
    void end() noexcept {
        this->done_ = true;
        time_.finished(*this);
    }

    Time& time_;
    Policy& policy_;
    PlaceInLine<Policy> place_;
    Rejection why_;
    bool cancelled_ = false;
};

}  // namespace resilience::inline v1::detail
