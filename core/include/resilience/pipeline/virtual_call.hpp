#pragma once

// One call in virtual time: what a test holds of it, and the frame that drives its machine.

#include <exception>
#include <memory>
#include <optional>
#include <resilience/base/call_context.hpp>
#include <resilience/base/call_options.hpp>
#include <resilience/base/waiter.hpp>
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/blocking_driver.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

class VirtualTime;

namespace detail {

[[noreturn]] void nothing_will_happen();  // throws std::logic_error
[[noreturn]] void not_ended();            // throws std::logic_error

// What the loop knows of a call. Polls of a call that is busy further down the stack are remembered, not nested.
class VirtualFrame : public std::enable_shared_from_this<VirtualFrame> {
  public:
    VirtualFrame() = default;
    VirtualFrame(const VirtualFrame&) = delete;
    VirtualFrame& operator=(const VirtualFrame&) = delete;
    virtual ~VirtualFrame() = default;

    virtual void poll() = 0;
    virtual void end_attempt() = 0;
    virtual void cancel_now() = 0;
    virtual void request_cancel() = 0;
    virtual void abandon() noexcept = 0;
    // What a queue has for it: planned as an event of the present moment, then brought.
    virtual void plan_delivery(Waiter& waiter) = 0;
    void bring(Waiter& waiter) {
        if (done_) return;  // abandoned meanwhile, and the waiter gone with it
        waiter.arrive();
        poll();
    }
    [[nodiscard]] Waker waker() noexcept {
        return {[](void* frame, Waiter& waiter) noexcept { static_cast<VirtualFrame*>(frame)->plan_delivery(waiter); },
                this};
    }
    [[nodiscard]] bool done() const noexcept { return done_; }

  protected:
    bool done_ = false;
};

// The attempt whose function runs now. They nest when a function runs a call of its own.
class RunningAttempt {
  public:
    RunningAttempt(VirtualTime& time, VirtualFrame& frame) noexcept;
    ~RunningAttempt();
    RunningAttempt(const RunningAttempt&) = delete;
    RunningAttempt& operator=(const RunningAttempt&) = delete;

    Duration taken{};
    bool held = false;
    VirtualFrame& frame;

  private:
    VirtualTime& time_;
    RunningAttempt* outer_;
    VirtualTime* outer_time_;
};

}  // namespace detail

// A call begun with VirtualTime::start.
template <class AnswerType>
class VirtualCall {
  public:
    class Ended : public detail::VirtualFrame {
      public:
        std::optional<AnswerType> answer;
        std::exception_ptr exception;
    };

    explicit VirtualCall(std::shared_ptr<Ended> frame) noexcept : frame_(std::move(frame)) {}

    [[nodiscard]] bool done() const noexcept { return frame_->done(); }
    // Throws what the function threw, or std::logic_error before the end.
    [[nodiscard]] const AnswerType& answer() const& { return checked(); }
    [[nodiscard]] AnswerType answer() && { return std::move(checked()); }
    // The caller gives up: a back-off ends now, a running attempt is asked to stop through its token.
    void cancel() { frame_->request_cancel(); }

  private:
    friend class VirtualTime;
    template <class Time>
    void abandon(Time& time) noexcept {
        if (frame_->done()) return;
        frame_->abandon();
        time.finished(*frame_);
    }
    [[nodiscard]] AnswerType& checked() const {
        if (!frame_->done()) detail::not_ended();
        if (frame_->exception) std::rethrow_exception(frame_->exception);
        if (!frame_->answer) detail::not_ended();  // abandoned with its VirtualTime
        return *frame_->answer;
    }

    std::shared_ptr<Ended> frame_;
};

// An attempt that lasts until it is ended by hand.
class VirtualHold {
  public:
    explicit VirtualHold(VirtualTime& time, std::weak_ptr<detail::VirtualFrame> frame) noexcept
        : time_(&time), frame_(std::move(frame)) {}
    // The attempt ends at this moment, with the result its function returned. Once; no effect on a call that is gone.
    void end();

  private:
    VirtualTime* time_;
    std::weak_ptr<detail::VirtualFrame> frame_;
};

namespace detail {

template <class Time, class Pipeline, class Function>
class VirtualFrameOf final
    : public VirtualCall<
          Answer<decltype(call_function(std::declval<Function&>(), std::declval<CallContext&>()))>>::Ended {
    using Raw = std::remove_cvref_t<decltype(call_function(std::declval<Function&>(), std::declval<CallContext&>()))>;
    using Leaf = Attempt<StoredResult<Raw>>;

  public:
    using AnswerType = Answer<Raw>;

    VirtualFrameOf(Time& time, const Pipeline& pipeline, const CallOptions& options, Function function)
        : time_(time),
          pipeline_(pipeline),
          options_(options),
          function_(std::move(function)),
          context_(time.now(), deadline_of(options, time.now()), options.priority, options.tokens, options.operation) {
        context_.serve_from(services, this);
    }

    void begin_call(const std::stop_token& stop) {
        started_ = !has_no_use(stop, context_.deadline(), time_.now());
        busy_ = true;
        step_ = started_ ? machine_.start(*this, context_, time_.now()) : refuse_at_once(call_, stop, time_.now());
        busy_ = false;
        // At once rather than by an event: who comes first stands first in a line.
        if (!step_.is_done() && step_.at <= time_.now()) return poll();
        settle();
    }
    void poll() override {
        if (this->done_ || busy_) return;
        if (armed_ <= time_.now()) armed_ = never;
        busy_ = true;
        step_ = machine_.poll(*this, time_.now());
        busy_ = false;
        settle();
    }
    void end_attempt() override {
        if (attempt_ == nullptr) return;
        std::exchange(attempt_, nullptr)->mark_ended(time_.now());
        poll();
    }
    void request_cancel() override {
        if (this->done_ || cancelled_) return;
        cancelled_ = true;
        if (stop_) stop_->request_stop();
        time_.plan_cancel(this->shared_from_this());
    }
    void cancel_now() override {
        if (this->done_ || busy_) return;
        machine_.cancel(*this, time_.now(), Cause::caller);
        poll();
    }
    void abandon() noexcept override {
        if (!this->done_) machine_.abandon(*this);
        this->done_ = true;
    }

    // ---- what the machine asks of its driver
    template <int Index>
    [[nodiscard]] auto& policy() const noexcept {
        return pipeline_.template policy<Index>();
    }
    template <int Index>
    [[nodiscard]] const auto& held() const noexcept {
        return pipeline_.template held<Index>();
    }
    [[nodiscard]] CallState& call() noexcept { return call_; }
    [[nodiscard]] VirtualFrameOf& cold() noexcept { return *this; }
    [[nodiscard]] Random& random() noexcept { return time_.random(); }
    [[nodiscard]] bool stop_requested() const noexcept { return cancelled_; }
    [[nodiscard]] TimePoint now() const noexcept { return time_.now(); }
    static constexpr bool blocks = false;
    using VirtualFrame::waker;
    void plan_delivery(Waiter& waiter) override { time_.plan_delivery(this->shared_from_this(), waiter); }
    void await_delivery(Waiter& waiter) noexcept { waiter.arrive(); }
    void stop(Leaf&) noexcept {
        if (stop_) stop_->request_stop();
    }
    Step begin(Leaf& attempt, CallContext& context, TimePoint) {
        RunningAttempt running(time_, *this);
        run_function(function_, context, attempt.answer());
        attempt.keep(context.deadline());
        attempt_ = &attempt;
        if (!running.held) time_.plan_end(saturating_add(time_.now(), running.taken), this->shared_from_this());
        return Step::wait(never);
    }
    [[nodiscard]] Judgement judge(Leaf& attempt) { return judge_slot(pipeline_.classifier(), attempt.answer(), call_); }

  private:
    std::stop_token token() {
        if (!stop_) stop_.emplace();
        if (cancelled_) stop_->request_stop();
        return stop_->get_token();
    }
    void settle() {
        if (!step_.is_done()) {
            if (step_.at < armed_) time_.plan_poll(armed_ = step_.at, this->shared_from_this());
            return;
        }
        if (options_.report) fill(*options_.report, step_, call_, started_);
        try {
            this->answer.emplace(finish<Raw>(step_, call_, machine_.answer()));
        } catch (...) {
            this->exception = std::current_exception();
        }
        this->done_ = true;
        time_.finished(*this);
    }

    static constexpr CallContext::Services services{
        .now =
            [](const void* frame) noexcept {
                return static_cast<const VirtualFrameOf*>(frame)->time_.now_in_attempt();
            },
        .stop_token = [](void* frame) { return static_cast<VirtualFrameOf*>(frame)->token(); }};

    Time& time_;
    Pipeline pipeline_;
    CallOptions options_;
    Function function_;
    CallState call_;
    CallContext context_;
    typename Pipeline::template Machine<Leaf> machine_;
    Step step_{};
    TimePoint armed_ = never;
    Leaf* attempt_ = nullptr;
    std::optional<std::stop_source> stop_;
    bool cancelled_ = false;
    bool busy_ = false;
    bool started_ = true;
};

}  // namespace detail
}  // namespace resilience::inline v1
