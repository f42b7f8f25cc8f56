#pragma once

// The two drivers that a test of waiting runs on, behind one face: threads that really sleep under a clock moved by
// hand, and virtual time.
//
// `start` begins a call and returns; `eventually` waits until something holds. In virtual time that is now or never;
// with threads it is when the threads got that far.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <for_tests/origin.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

// A clock moved by hand in which threads sleep.
class SharedTime {
  public:
    [[nodiscard]] TimePoint now() const noexcept { return for_tests::origin() + Duration{now_.load()}; }
    [[nodiscard]] Random& random() noexcept { return thread_random(); }
    void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
        {
            const std::lock_guard lock(mutex_);
            if (now() >= until) return;
            sleepers_.push_back(&parker);
        }
        parker.park(never, stop);
        const std::lock_guard lock(mutex_);
        sleepers_.erase(std::find(sleepers_.begin(), sleepers_.end(), &parker));
    }
    void advance(Duration by) {
        const std::lock_guard lock(mutex_);
        now_ += by.count();
        for (Parker* const parker : sleepers_) parker->wake([] {});
    }

  private:
    std::mutex mutex_;
    std::atomic<std::int64_t> now_{0};
    std::vector<Parker*> sleepers_;
};

class BlockingWaits {
  public:
    template <class AnswerType>
    class Call {
      public:
        explicit Call(std::function<AnswerType(std::stop_token)> run) : state_(std::make_shared<State>()) {
            thread_ = std::jthread([state = state_, run = std::move(run)](const std::stop_token& stop) {
                state->answer.emplace(run(stop));
                state->done.store(true);
            });
        }
        Call(Call&&) = default;
        Call& operator=(Call&&) = default;
        ~Call() = default;
        [[nodiscard]] bool done() const { return state_->done; }
        [[nodiscard]] AnswerType& answer() {
            if (thread_.joinable()) thread_.join();
            return *state_->answer;
        }
        void cancel() { thread_.request_stop(); }

      private:
        struct State {
            std::optional<AnswerType> answer;
            std::atomic<bool> done{false};
        };
        std::shared_ptr<State> state_;
        std::jthread thread_;
    };

    template <class Pipeline, class Function>
    auto start(const Pipeline& pipeline, const CallOptions& options, Function function) {
        using AnswerType = decltype(pipeline.execute(function));
        return Call<AnswerType>([this, pipeline, options, function](const std::stop_token& stop) mutable {
            return pipeline.execute_in(time_, options, stop, function);
        });
    }
    template <class Pipeline, class Function>
    auto start(const Pipeline& pipeline, Function function) {
        return start(pipeline, CallOptions{}, std::move(function));
    }
    [[nodiscard]] TimePoint now() const { return time_.now(); }
    void advance(Duration by) { time_.advance(by); }
    // Inside a function: it ends then. The moment is an argument, so that a test may move the clock as soon as it sees
    // the function begun, however late its thread gets to sleep.
    void take_until(TimePoint until) {
        Parker parker;
        while (now() < until) time_.wait_until(until, {}, parker);
    }
    template <class Condition>
    [[nodiscard]] static bool eventually(Condition&& condition) {
        for (const TimePoint patience = Clock::now() + std::chrono::seconds(60); !condition();) {
            if (Clock::now() > patience) return false;
            std::this_thread::yield();
        }
        return true;
    }

  private:
    SharedTime time_;
};

class VirtualWaits {
  public:
    template <class Pipeline, class Function>
    auto start(const Pipeline& pipeline, const CallOptions& options, Function function) {
        return time_.start(pipeline, options, std::move(function));
    }
    template <class Pipeline, class Function>
    auto start(const Pipeline& pipeline, Function function) {
        return time_.start(pipeline, std::move(function));
    }
    [[nodiscard]] TimePoint now() const { return time_.now(); }
    void advance(Duration by) { time_.advance(by); }
    void take_until(TimePoint until) { time_.take(until - time_.now()); }
    template <class Condition>
    [[nodiscard]] bool eventually(Condition&& condition) {
        time_.advance(Duration::zero());
        return condition();
    }

  private:
    VirtualTime time_{1, for_tests::origin()};
};

using WaitingDrivers = testing::Types<BlockingWaits, VirtualWaits>;
class WaitingDriverNames {
  public:
    template <class Driver>
    static std::string GetName(int) {
        return std::is_same_v<Driver, BlockingWaits> ? "blocking" : "virtual";
    }
};

template <class Driver>
class WaitingTest : public testing::Test {
  public:
    Driver run;
};

}  // namespace resilience::inline v1
