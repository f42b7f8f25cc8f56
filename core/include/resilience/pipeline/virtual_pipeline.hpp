#pragma once

// An AnyPipeline whose calls run in virtual time: for testing a service that takes its pipeline from outside.
//
//     VirtualTime time;
//     CardHost host{in_virtual_time(time, Pipeline{RetryConfig{}, breaker})};
//     auto refused = host.charge(card);                    // its execute runs in `time`: back-offs cost nothing
//
// Same rules as VirtualTime::execute: one thread, and the time must outlive the pipeline and its copies. Functions may
// use `time.take` and `time.hold`.

#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stop_token>
#include <utility>

namespace resilience::inline v1 {

namespace detail {

struct RunInVirtualTime {
    VirtualTime* time;

    template <class Pipeline, class Function>
    auto operator()(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                    Function& function) const {
        return time->execute(pipeline, options, stop, function);
    }
};

}  // namespace detail

template <class... Elements>
[[nodiscard]] AnyPipeline in_virtual_time(VirtualTime& time, Pipeline<Elements...> pipeline) {
    static_assert(!Pipeline<Elements...>::judges,
                  "resilience: this pipeline has a classifier; say which results it judges: "
                  "in_virtual_time(time, pipeline, judging<Response>)");
    return AnyPipeline(std::move(pipeline), judging<>, detail::RunInVirtualTime{&time});
}
template <class... Elements, class... Results>
[[nodiscard]] AnyPipeline in_virtual_time(VirtualTime& time, Pipeline<Elements...> pipeline,
                                          Judging<Results...> results) {
    return AnyPipeline(std::move(pipeline), results, detail::RunInVirtualTime{&time});
}

}  // namespace resilience::inline v1
