#pragma once

// The demo: a small shop under attack in one process, over real loopback HTTP.
//
//     Demo demo{options, std::cout};
//     … demo.watch() about once a second …
//     demo.stop();
//     std::cout << summary_text(demo.picture());

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>

#include "demo/demo_picture.hpp"
#include "demo/script.hpp"

namespace resilience::demo {

struct DemoOptions {
    std::uint16_t port = 8080;        // of the shop; 0: any free one
    std::uint16_t admin_port = 9911;  // of the dashboard; 0: any free one
    Script script{};
    double speed = 1;     // of the script's clock
    Duration duration{};  // ends by itself after this long; zero: never
    bool load = true;
    bool unguarded = true;  // a twin of the shop beside it, without policies, that gets the same load and faults
    double rate = 200;      // calls per second; the shop's limits are sized for it
    std::uint64_t seed = 1;
};

class Demo {
  public:
    // Everything runs when this returns; the first line stands in `narration`. Throws std::system_error when a port
    // cannot be had.
    Demo(const DemoOptions& options, std::ostream& narration);
    ~Demo();
    Demo(const Demo&) = delete;
    Demo& operator=(const Demo&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] std::uint16_t admin_port() const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> unguarded_port() const noexcept;  // of the twin

    // Tells what limiters and bulkheads have refused since the last time.
    void watch();
    // Ends script, load and front, in this order, and waits for the last answer. The admin port stays.
    void stop();
    [[nodiscard]] DemoPicture picture() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace resilience::demo
