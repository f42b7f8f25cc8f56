#pragma once

// What the two limiters that count per window have in common: how they are built, and what they were built with.
//
// Users want fixed_window_limiter.hpp or sliding_log_limiter.hpp. The members that take tokens, wait and report are in
// limiter_in_line.hpp.

#include <cstdint>
#include <resilience/policies/limiter_in_line.hpp>
#include <resilience/policies/window_limiter_config.hpp>
#include <string>

namespace resilience::inline v1 {

template <class Window>
class WindowLimiter : public LimiterInLine<Window> {
  public:
    // Unnamed: its rejections carry no name. Throws ConfigError naming every bad field; std::bad_alloc.
    WindowLimiter(std::uint64_t limit, Duration period)
        : WindowLimiter(WindowLimiterConfig{.limit = limit, .period = period}) {}
    explicit WindowLimiter(WindowLimiterConfig config);

    // Throws ConfigError, also for a name that is empty, too long or not UTF-8; std::bad_alloc.
    WindowLimiter(std::string name, WindowLimiterConfig config);

    // What it was built with.
    [[nodiscard]] WindowLimiterConfig config() const;

  private:
    struct Checked;
    explicit WindowLimiter(const Checked& checked);
};

}  // namespace resilience::inline v1
