#pragma once

// Virtual time: pipelines run on one thread in a time that passes only when there is nothing left to do at a moment.
//
//     VirtualTime time;
//     auto answer = time.execute(guarded, pay);                     // back-offs cost nothing: the clock jumps
//     auto call = time.start(guarded, [&] { time.take(2s); return 200; });
//     time.advance(5s);                                             // runs what is due meanwhile
//     EXPECT_EQ(*call.answer(), 200);
//
// It drives the same call machine as the blocking driver, so what holds here holds there. Same seed, same calls: the
// same run, event by event. Inside a function, `take(d)` makes the attempt last for d and `hold()` until it is ended by
// hand; functions cannot be interrupted, so a late answer becomes deadline_exceeded as it does when blocking. One
// thread at a time. A VirtualTime that dies abandons the calls still pending: their permits are dropped.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <queue>
#include <resilience/base/random.hpp>
#include <resilience/base/time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_acquire.hpp>
#include <resilience/pipeline/virtual_call.hpp>
#include <stop_token>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

class VirtualTime {
  public:
    // Starts at zero. Another start shows what depends on the distance to the clock's epoch.
    explicit VirtualTime(std::uint64_t seed = 1, TimePoint start = TimePoint{});
    ~VirtualTime();
    VirtualTime(const VirtualTime&) = delete;
    VirtualTime& operator=(const VirtualTime&) = delete;

    [[nodiscard]] TimePoint now() const noexcept { return now_; }
    [[nodiscard]] Duration elapsed() const noexcept { return now_ - start_; }

    // Runs everything due within `by`, then stands there.
    void advance(Duration by);
    // Runs until nothing is planned any more.
    void run();
    // Runs the next moment's first event; false when nothing is planned.
    bool run_one();
    // Plans `action`; a moment that has passed counts as now. Events of one moment run in the order they were planned.
    void at(TimePoint moment, std::function<void()> action);

    // Runs one call to its end and returns its answer, exceptions of the function included. Throws std::logic_error
    // when the call waits for something that nothing planned will bring.
    template <class Pipeline, class Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto execute(const Pipeline& pipeline, Function&& function) {
        return execute(pipeline, CallOptions{}, std::forward<Function>(function));
    }
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, const CallOptions& options, Function&& function) {
        return execute(pipeline, options, std::stop_token{}, std::forward<Function>(function));
    }
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                 Function&& function) {
        auto borrowed = [&function](CallContext& context) { return detail::call_function(function, context); };
        auto call = begin(pipeline, options, stop, std::move(borrowed));
        std::stop_callback cancel_too(stop, [&call] { call.cancel(); });
        run_until(call);
        return std::move(call).answer();
    }

    // The same with a fallback for rejections, as Pipeline::execute_or.
    template <class Pipeline, class Function, class Fallback>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto execute_or(const Pipeline& pipeline, Function&& function, Fallback&& fallback) {
        return execute_or(pipeline, CallOptions{}, function, fallback);
    }
    template <class Pipeline, class Function, class Fallback>
    auto execute_or(const Pipeline& pipeline, const CallOptions& options, Function&& function, Fallback&& fallback) {
        return execute_or(pipeline, options, std::stop_token{}, function, fallback);
    }
    template <class Pipeline, class Function, class Fallback>
    auto execute_or(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                    Function&& function, Fallback&& fallback) {
        return detail::execute_or_with<Pipeline>([&](auto&& apart) { return execute(pipeline, options, stop, apart); },
                                                 options.report, function, fallback);
    }

    // Begins a call and returns at once; its function and copies of the pipeline's pointers live until it ends.
    template <class Pipeline, class Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto start(const Pipeline& pipeline, Function function) {
        return start(pipeline, CallOptions{}, std::move(function));
    }
    template <class Pipeline, class Function>
    auto start(const Pipeline& pipeline, const CallOptions& options, Function function) {
        return begin(pipeline, options, std::stop_token{}, std::move(function));
    }

    // The twins of `acquire_for`: the first runs until the answer is there, the second returns at once a VirtualCall
    // whose answer is what acquire_for returns.
    [[nodiscard]] Admission<Bulkhead::Permit> acquire_for(Bulkhead& bulkhead, Duration max_wait) {
        return run_and_answer(start_acquire(bulkhead, max_wait));
    }
    template <LimitsByTokens Limiter>
    [[nodiscard]] std::expected<void, Rejection> acquire_for(Limiter& limiter, std::uint64_t tokens,
                                                             Duration max_wait) {
        return run_and_answer(start_acquire(limiter, tokens, max_wait));
    }
    [[nodiscard]] VirtualCall<Admission<Bulkhead::Permit>> start_acquire(Bulkhead& bulkhead, Duration max_wait) {
        return begin_acquire<Admission<Bulkhead::Permit>>(bulkhead, 1, max_wait);
    }
    template <LimitsByTokens Limiter>
    [[nodiscard]] VirtualCall<std::expected<void, Rejection>> start_acquire(Limiter& limiter, std::uint64_t tokens,
                                                                            Duration max_wait) {
        return begin_acquire<std::expected<void, Rejection>>(limiter, tokens, max_wait);
    }

    // ---- inside a function -----------------------------------------------------------------------------------------
    // The attempt that runs now lasts for `duration` more. CallContext::now() shows it.
    void take(Duration duration);
    // The attempt that runs now lasts until the hold is ended.
    [[nodiscard]] VirtualHold hold();
    // The time whose function runs on this thread; nullptr outside.
    [[nodiscard]] static VirtualTime* running() noexcept;

    [[nodiscard]] Random& random() noexcept { return random_; }

    // ---- for its calls ---------------------------------------------------------------------------------------------
    [[nodiscard]] TimePoint now_in_attempt() const noexcept;
    void plan_poll(TimePoint moment, std::shared_ptr<detail::VirtualFrame> frame);
    void plan_end(TimePoint moment, std::shared_ptr<detail::VirtualFrame> frame);
    void plan_cancel(std::shared_ptr<detail::VirtualFrame> frame);
    void plan_delivery(std::shared_ptr<detail::VirtualFrame> frame, Waiter& waiter);
    void pending(std::shared_ptr<detail::VirtualFrame> frame);
    void finished(detail::VirtualFrame& frame) noexcept;

  private:
    friend class detail::RunningAttempt;

    struct Planned {
        TimePoint at;
        std::uint64_t number;
        std::function<void()> action;
        bool operator<(const Planned& other) const noexcept {
            return at != other.at ? at > other.at : number > other.number;
        }
    };

    template <class Pipeline, class Function>
    auto begin(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop, Function function);
    template <class Call>
    void run_until(Call& call) {
        try {
            while (!call.done()) {
                if (!run_one()) detail::nothing_will_happen();
            }
        } catch (...) {
            // Its function is borrowed from a frame that is about to be gone.
            call.abandon(*this);
            throw;
        }
    }
    template <class AnswerType>
    AnswerType run_and_answer(VirtualCall<AnswerType> call) {
        run_until(call);
        return std::move(call).answer();
    }
    template <class AnswerType, class Policy>
    VirtualCall<AnswerType> begin_acquire(Policy& policy, std::uint64_t tokens, Duration max_wait) {
        auto frame = std::make_shared<detail::VirtualAcquire<VirtualTime, Policy, AnswerType>>(*this, policy);
        pending(frame);
        frame->begin(tokens, max_wait);
        return VirtualCall<AnswerType>(std::move(frame));
    }

    TimePoint start_;
    TimePoint now_;
    Random random_;
    std::uint64_t planned_ = 0;
    std::priority_queue<Planned> events_;
    std::unordered_map<detail::VirtualFrame*, std::shared_ptr<detail::VirtualFrame>> pending_;
    detail::RunningAttempt* running_ = nullptr;
};

template <class Pipeline, class Function>
auto VirtualTime::begin(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                        Function function) {
    constexpr bool any = std::same_as<Pipeline, AnyPipeline>;
    static_assert(!any,
                  "resilience: an AnyPipeline is made for virtual time: in_virtual_time(time, pipeline), and executes "
                  "itself");
    if constexpr (!any && detail::check_function<Pipeline, Function>()) {
        using Frame = detail::VirtualFrameOf<VirtualTime, Pipeline, Function>;
        auto frame = std::make_shared<Frame>(*this, pipeline, options, std::move(function));
        pending(frame);
        frame->begin_call(stop);
        return VirtualCall<typename Frame::AnswerType>(std::move(frame));
    }
}

}  // namespace resilience::inline v1
