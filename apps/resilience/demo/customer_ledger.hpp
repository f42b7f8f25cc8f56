#pragma once

// What customers got, as they saw it: counted from the moment they came, whether anybody had time for them or not.
//
// An answer helps only while its customer still waits: one below 400 that comes `in_time` after the arrival is good, a
// later one is too late. Time is an argument; one thread at a time.

#include <cstdint>
#include <deque>
#include <resilience/base/time.hpp>

#include "demo/latency_histogram.hpp"

namespace resilience::demo {

// calls = answered + too_late + refused + failed + hung + those that are still under way.
struct CustomerPicture {
    std::uint64_t calls = 0;
    std::uint64_t answered = 0;  // well and in time
    std::uint64_t too_late = 0;  // well, and nobody waited for it any more
    std::uint64_t refused = 0;   // 429 or 503: told to come back
    std::uint64_t failed = 0;    // any other answer
    std::uint64_t hung = 0;      // no answer: given up, cut off, or never served
    LatencyPicture latency;      // of answered and too_late, from the arrival to the last byte

    // Of whole seconds that are decided, by when the customers came: an arrival belongs to the second it falls into.
    struct Part {
        Duration time{};
        std::uint64_t answered = 0;
    };
    Part trouble;               // while a fault was on, or more load than usual
    Part calm;                  // the rest
    Duration longest_outage{};  // the longest run of seconds in which fewer than half of the arrivals were answered
};

class CustomerLedger {
  public:
    CustomerLedger(TimePoint opened, Duration in_time);

    // By rising `due`; the first of a second says whether there is trouble in it.
    void arrived(TimePoint due, bool trouble);
    void answered(TimePoint due, TimePoint at, int status);
    void hung() { ++picture_.hung; }
    void end_arrivals(TimePoint now) { ended_ = now; }  // nobody comes any more: the last second is a short one
    void close();                                       // what is not decided yet is decided as it stands

    [[nodiscard]] CustomerPicture picture() const;

  private:
    struct Second {
        TimePoint begin{};
        std::uint64_t arrived = 0;
        std::uint64_t answered = 0;
        bool trouble = false;
    };
    void decide_until(TimePoint now);
    void decide(const Second& second);
    Second* second_of(TimePoint due);

    const TimePoint opened_;
    const Duration in_time_;
    CustomerPicture picture_;
    LatencyHistogram latencies_;
    std::deque<Second> undecided_;  // by rising begin; seconds in which nobody came are left out
    TimePoint decided_until_;
    TimePoint ended_ = never;
    Duration outage_{};  // the run of bad seconds up to the last decided one
};

}  // namespace resilience::demo
