#include <resilience/base/config_error.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/manager/config_templates.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/retry_config.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace {

constexpr std::string_view root = "default";

}  // namespace

template <class Config>
std::string ConfigTemplates<Config>::known_names() const {
    std::string known(root);
    for (const auto& [name, defined] : templates_) {
        if (name != root) known += ", " + name;
    }
    return known;
}

template <class Config>
void ConfigTemplates<Config>::define(std::string name, Changes changes, std::string_view extends) {
    ConfigProblems problems{"template " + quoted_text(name)};
    problems.expect(!name.empty(), "name", "is empty");
    problems.expect(changes != nullptr, "changes", "is no function");
    const std::scoped_lock lock(mutex_);
    problems.expect(!templates_.contains(name), "name", "is defined already");
    const Template* base = nullptr;
    if (extends != root) {
        const auto known = templates_.find(extends);
        if (name == root) {
            problems.add("extends", "is " + quoted_text(extends) + "; default extends nothing");
        } else if (known == templates_.end()) {
            problems.add("extends",
                         "is " + quoted_text(extends) + ", which is not defined (defined: " + known_names() + ")");
        } else {
            base = &known->second;
        }
    }
    problems.throw_if_any();
    auto shared = std::make_shared<const Changes>(std::move(changes));
    templates_.emplace(std::move(name), Template{std::move(shared), base});
}

template <class Config>
Config ConfigTemplates<Config>::config(std::string_view name, const Changes& overrides) const {
    std::vector<std::shared_ptr<const Changes>> chain;  // the last to be applied first
    {
        const std::scoped_lock lock(mutex_);
        const auto asked = templates_.find(name);
        if (asked == templates_.end() && name != root) {
            throw ConfigError("template " + quoted_text(name),
                              {{.field = "name", .message = "is not defined (defined: " + known_names() + ")"}});
        }
        if (name != root) {
            for (const Template* each = &asked->second; each != nullptr; each = each->extends) {
                chain.push_back(each->changes);
            }
        }
        if (const auto first = templates_.find(root); first != templates_.end()) chain.push_back(first->second.changes);
    }
    Config config{};
    for (auto changes = chain.rbegin(); changes != chain.rend(); ++changes) (**changes)(config);
    if (overrides) overrides(config);
    return config;
}

template <class Config>
std::vector<std::string> ConfigTemplates<Config>::names() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, defined] : templates_) names.push_back(name);
    return names;
}

template class ConfigTemplates<CircuitBreakerConfig>;
template class ConfigTemplates<RateLimiterConfig>;
template class ConfigTemplates<BulkheadConfig>;
template class ConfigTemplates<RetryConfig>;

}  // namespace resilience::inline v1
