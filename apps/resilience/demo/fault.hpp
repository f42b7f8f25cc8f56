#pragma once

// What can be wrong with an upstream, how it is written, and how it is told.
//
//     error=0.8        this share of its answers is a 500
//     latency=20x      its answers take this many times as long
//     latency=300ms    its answers take this long
//     hang             it takes requests and does not answer
//     down             it closes its port and all connections, and listens on the same port again afterwards
//
// Several stand together: `error=0.2 latency=3x`. A script and the admin port read the same words.

#include <array>
#include <cstddef>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::demo {

// The shop's upstreams. The order is that of every list in the demo.
inline constexpr std::array<std::string_view, 3> upstream_names{"payment", "inventory", "recommendations"};
enum class UpstreamId : std::size_t { payment = 0, inventory = 1, recommendations = 2 };
[[nodiscard]] std::optional<UpstreamId> upstream_of(std::string_view name) noexcept;
[[nodiscard]] constexpr std::string_view name_of(UpstreamId id) noexcept {
    return upstream_names[static_cast<std::size_t>(id)];
}

struct Fault {
    double error_ratio = 0;             // 0 to 1
    double latency_factor = 1;          // 0.01 to 1000
    std::optional<Duration> latency{};  // up to 60 s; beats the factor
    bool hang = false;
    bool down = false;

    friend bool operator==(const Fault&, const Fault&) = default;
    [[nodiscard]] bool any() const noexcept { return *this != Fault{}; }
};

// Reads one fault word by word and keeps everything that is wrong with it.
class FaultReader {
  public:
    // True when `key` is a word of faults, whether its value was good or not. A word without "=" has an empty value.
    bool take(std::string_view key, std::string_view value);
    // Also reads `for=`, which every fault needs.
    bool take_period(std::string_view key, std::string_view value);
    // What is missing or excludes each other; called once at the end.
    void finish();

    [[nodiscard]] const Fault& fault() const noexcept { return fault_; }
    [[nodiscard]] Duration period() const noexcept { return period_.value_or(Duration::zero()); }
    [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

  private:
    void take_error(std::string_view value);
    void take_latency(std::string_view value);
    void take_switch(std::string_view key, std::string_view value, bool& on);

    Fault fault_;
    std::optional<Duration> period_;
    bool period_seen_ = false;
    bool anything_ = false;
    std::vector<std::string> problems_;
};

inline constexpr std::array<std::string_view, 5> fault_words{"error", "latency", "hang", "down", "for"};

// "payment starts failing 80 % of its calls"; several troubles are joined by "and".
[[nodiscard]] std::string told(std::string_view upstream, const Fault& fault);

// "5x" as 5, with `least` to `most` allowed; absent when it is no factor in that range.
[[nodiscard]] std::optional<double> parse_factor(std::string_view text, double least, double most);

}  // namespace resilience::demo
