#pragma once

// The name of a policy, refused together with whatever else is wrong with its configuration.

#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <string>
#include <string_view>

namespace resilience::inline v1::detail {

// `rate limiter "sms"`, or `rate limiter` for an unnamed one: what a ConfigError is about.
inline std::string policy_subject(std::string_view kind, const std::string* name) {
    std::string subject(kind);
    if (name != nullptr) subject += ' ' + quoted_text(*name);
    return subject;
}

// The interned name, or its problems added to `problems`. Without a name: empty.
inline std::string_view checked_name(const std::string* name, ConfigProblems& problems) {
    if (name == nullptr) return {};
    try {
        return intern_name(*name);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) problems.add(problem.field, problem.message);
        return {};
    }
}

}  // namespace resilience::inline v1::detail
