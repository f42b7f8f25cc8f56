#pragma once

// A retry on its own: a pipeline of one policy.
//
//     RetryExecutor retry{{.max_attempts = 3, .base_delay = 100ms}};
//     auto page = retry.execute([&] { return fetch(url); });      // std::expected<Page, Rejection>
//
// Same rules as Pipeline::execute: the last outcome is the answer, an exception included. Without a stop token or a
// deadline there is nothing that could refuse, so the answer then always holds the function's own result.

#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <string>
#include <utility>

namespace resilience::inline v1 {

class RetryExecutor {
  public:
    // Throws ConfigError naming every bad field.
    explicit RetryExecutor(RetryConfig config = {}) : RetryExecutor(std::make_shared<Retry>(config)) {}
    explicit RetryExecutor(std::string name, RetryConfig config = {})
        : RetryExecutor(std::make_shared<Retry>(std::move(name), config)) {}
    RetryExecutor(RetryConfig config, SharedRetryBudget budget)
        : RetryExecutor(std::make_shared<Retry>(config, std::move(budget))) {}
    RetryExecutor(std::string name, RetryConfig config, SharedRetryBudget budget)
        : RetryExecutor(std::make_shared<Retry>(std::move(name), config, std::move(budget))) {}
    // Made with hooks, or shared with a pipeline.
    explicit RetryExecutor(std::shared_ptr<Retry> retry) : policy_(retry), pipeline_(std::move(retry)) {}

    template <class Function>
    auto execute(Function&& function) const {
        return pipeline_.execute(std::forward<Function>(function));
    }
    template <class Function>
    auto execute(const CallOptions& options, Function&& function) const {
        return pipeline_.execute(options, std::forward<Function>(function));
    }
    template <class Function>
    auto execute(const CallOptions& options, const std::stop_token& stop, Function&& function) const {
        return pipeline_.execute(options, stop, std::forward<Function>(function));
    }

    // The policy, to be shared with a pipeline or read for stats.
    [[nodiscard]] const std::shared_ptr<Retry>& policy() const noexcept { return policy_; }

  private:
    std::shared_ptr<Retry> policy_;
    Pipeline<Retry> pipeline_;
};

}  // namespace resilience::inline v1
