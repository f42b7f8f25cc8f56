#include "demo/fault.hpp"

#include <charconv>
#include <cmath>
#include <resilience/base/duration_text.hpp>
#include <system_error>

#include "text/duration_input.hpp"
#include "text/figures.hpp"

namespace resilience::demo {
namespace {

constexpr Duration longest_latency = std::chrono::seconds{60};
constexpr Duration longest_period = std::chrono::hours{24};

std::optional<double> parse_number(std::string_view text) {
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
    if (!std::isfinite(number)) return std::nullopt;
    return number;
}

}  // namespace

std::optional<UpstreamId> upstream_of(std::string_view name) noexcept {
    for (std::size_t index = 0; index < upstream_names.size(); ++index) {
        if (upstream_names[index] == name) return static_cast<UpstreamId>(index);
    }
    return std::nullopt;
}

std::optional<double> parse_factor(std::string_view text, double least, double most) {
    if (!text.ends_with('x')) return std::nullopt;
    const std::optional<double> factor = parse_number(text.substr(0, text.size() - 1));
    return factor && *factor >= least && *factor <= most ? factor : std::nullopt;
}

bool FaultReader::take(std::string_view key, std::string_view value) {
    if (key == "error") {
        take_error(value);
    } else if (key == "latency") {
        take_latency(value);
    } else if (key == "hang") {
        take_switch(key, value, fault_.hang);
    } else if (key == "down") {
        take_switch(key, value, fault_.down);
    } else {
        return false;
    }
    anything_ = true;
    return true;
}

bool FaultReader::take_period(std::string_view key, std::string_view value) {
    if (key != "for") return false;
    period_seen_ = true;
    const auto period = program::parse_duration(value);
    if (!period) {
        problems_.push_back("'for' " + period.error());
    } else if (*period <= Duration::zero() || *period > longest_period) {
        problems_.push_back("'for' is above 0s, up to 24h, but is " + std::string(value));
    } else {
        period_ = *period;
    }
    return true;
}

void FaultReader::finish() {
    if (!anything_) problems_.push_back("no fault is named; use error=0.8, latency=20x, latency=300ms, hang or down");
    if (!period_seen_) problems_.push_back("'for' is missing: say how long, like for=20s");
    if (fault_.down && (fault_.hang || fault_.error_ratio > 0 || fault_.latency || fault_.latency_factor != 1)) {
        problems_.push_back("'down' stands alone: what is down neither fails, hangs nor is slow");
    }
}

void FaultReader::take_error(std::string_view value) {
    const std::optional<double> ratio = parse_number(value);
    if (ratio && *ratio > 0 && *ratio <= 1) {
        fault_.error_ratio = *ratio;
    } else if (ratio && *ratio > 1 && *ratio <= 100) {
        problems_.push_back("'error' is a ratio above 0, up to 1, but is " + std::string(value) + "; did you mean " +
                            program::with_decimals(*ratio / 100, 2) + "?");
    } else {
        problems_.push_back("'error' is a ratio above 0, up to 1, but is " + program::in_quotes(value));
    }
}

void FaultReader::take_latency(std::string_view value) {
    if (const std::optional<double> factor = parse_factor(value, 0.01, 1000)) {
        fault_.latency_factor = *factor;
        return;
    }
    const auto latency = program::parse_duration(value);
    if (latency && *latency <= longest_latency) {
        fault_.latency = *latency;
    } else {
        problems_.push_back(
            "'latency' is a factor from 0.01x to 1000x or a time up to 60s, like 20x or 300ms, but is " +
            program::in_quotes(value));
    }
}

void FaultReader::take_switch(std::string_view key, std::string_view value, bool& on) {
    if (value.empty() || value == "true" || value == "1") {
        on = true;
    } else {
        problems_.push_back(program::in_quotes(key) + " takes no value, but has " + program::in_quotes(value));
    }
}

std::string told(std::string_view upstream, const Fault& fault) {
    std::string text(upstream);
    std::string_view joint = " ";
    const auto add = [&](const std::string& part) {
        text += std::string(joint) + part;
        joint = " and ";
    };
    if (fault.down) add("goes down: port and connections closed");
    if (fault.error_ratio > 0) add("starts failing " + program::short_percent(fault.error_ratio) + " of its calls");
    if (fault.hang) {
        add("hangs: it takes requests and does not answer");
    } else if (fault.latency) {
        add("takes " + duration_text(*fault.latency) + " to answer");
    } else if (fault.latency_factor != 1) {
        const double factor = fault.latency_factor;
        add("becomes " + program::with_decimals(factor, factor == std::floor(factor) ? 0 : 2) + " times slower");
    }
    return text;
}

}  // namespace resilience::demo
