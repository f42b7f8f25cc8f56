#pragma once

// The bodies of WindowLimiter, for the files that instantiate it. Each window says its name in `window_kind`.

#include "checked_name.hpp"
#include "limiter_in_line_bodies.hpp"
#include "out_of_range.hpp"

#include <resilience/base/config_error.hpp>
#include <resilience/policies/window_limiter.hpp>
#include <string>
#include <string_view>

namespace resilience::inline v1 {

template <class Window>
inline constexpr std::string_view window_kind;

template <class Window>
struct WindowLimiter<Window>::Checked {
    Checked(const std::string* given_name, WindowLimiterConfig given) : config(given) {
        ConfigProblems problems{detail::policy_subject(window_kind<Window>, given_name)};
        if (config.limit < 1 || config.limit > Window::highest_limit) {
            problems.add("limit", "is " + std::to_string(config.limit) + "; use a whole number from 1 to " +
                                      std::to_string(Window::highest_limit) +
                                      " (a fraction is cut, a negative number becomes huge)");
        }
        if (config.period < Window::shortest_period || config.period > Window::longest_period) {
            problems.add("period",
                         detail::is(config.period, detail::exact_text(Window::shortest_period) + " to 9.1 years"));
        }
        detail::check_waits(config.max_wait, config.max_waiters, problems);
        name = detail::checked_name(given_name, problems);
        problems.throw_if_any();
    }
    std::string_view name;
    WindowLimiterConfig config;
};

template <class Window>
WindowLimiter<Window>::WindowLimiter(const Checked& checked)
    : LimiterInLine<Window>(checked.name,
                            typename LimiterInLine<Window>::Waits{checked.config.max_wait, checked.config.max_waiters},
                            checked.config.limit, checked.config.period) {}

template <class Window>
WindowLimiter<Window>::WindowLimiter(WindowLimiterConfig config) : WindowLimiter(Checked(nullptr, config)) {}

template <class Window>
WindowLimiter<Window>::WindowLimiter(std::string name, WindowLimiterConfig config)
    : WindowLimiter(Checked(&name, config)) {}

template <class Window>
WindowLimiterConfig WindowLimiter<Window>::config() const {
    const auto waits = this->waits();
    return {.limit = this->source().capacity(),
            .period = this->source().period(),
            .max_wait = waits.max_wait,
            .max_waiters = waits.max_waiters};
}

}  // namespace resilience::inline v1
