#pragma once

// The two drivers that a conformance row runs on, behind one face: blocking and in virtual time.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// Blocks; the clock is moved by hand.
class BlockingRun {
  public:
    [[nodiscard]] TimePoint now() const noexcept { return time_.now(); }
    void advance(Duration by) { time_.advance(by); }
    // Inside a function: it takes this long.
    void take(Duration by) { time_.advance(by); }
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                 Function&& function) {
        return pipeline.execute_in(time_, options, stop, std::forward<Function>(function));
    }
    // Requests the stop while the call sleeps, a millisecond into the back-off.
    template <class Pipeline, class Function>
    auto execute_and_stop_in_backoff(const Pipeline& pipeline, Function&& function) {
        struct StoppingTime {
            ManualTime& time;
            std::stop_source source{};
            [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
            void wait_until(TimePoint, const std::stop_token&, Parker&) {
                time.advance(std::chrono::milliseconds(1));
                source.request_stop();
            }
            [[nodiscard]] Random& random() noexcept { return time.random(); }
        } stopping{time_};
        return pipeline.execute_in(stopping, CallOptions{}, stopping.source.get_token(),
                                   std::forward<Function>(function));
    }

  private:
    ManualTime time_{1, for_tests::origin()};
};

class VirtualRun {
  public:
    [[nodiscard]] TimePoint now() const noexcept { return time_.now(); }
    void advance(Duration by) { time_.advance(by); }
    void take(Duration by) { time_.take(by); }
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                 Function&& function) {
        return time_.execute(pipeline, options, stop, std::forward<Function>(function));
    }
    template <class Pipeline, class Function>
    auto execute_and_stop_in_backoff(const Pipeline& pipeline, Function&& function) {
        auto call = time_.start(pipeline, [&function] { return function(); });
        time_.advance(std::chrono::milliseconds(1));
        call.cancel();
        time_.advance(Duration::zero());
        return std::move(call).answer();
    }

  private:
    VirtualTime time_{1, for_tests::origin()};
};

// For TYPED_TEST_SUITE.
using Runs = testing::Types<BlockingRun, VirtualRun>;
class RunNames {
  public:
    template <class Run>
    static std::string GetName(int) {
        return std::is_same_v<Run, BlockingRun> ? "blocking" : "virtual";
    }
};

}  // namespace resilience::inline v1
