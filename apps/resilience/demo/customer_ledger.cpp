#include "demo/customer_ledger.hpp"

#include <algorithm>

namespace resilience::demo {
namespace {

constexpr Duration whole_second = std::chrono::seconds{1};
constexpr bool is_refusal(int status) noexcept { return status == 429 || status == 503; }

}  // namespace

CustomerLedger::CustomerLedger(TimePoint opened, Duration in_time)
    : opened_(opened), in_time_(in_time), decided_until_(opened) {}

void CustomerLedger::arrived(TimePoint due, bool trouble) {
    ++picture_.calls;
    decide_until(due);
    if (due < decided_until_) return;  // told so late that its second is over: it counts in the sums only
    if (undecided_.empty() || due >= undecided_.back().begin + whole_second) {
        const Duration since = std::chrono::floor<std::chrono::seconds>(time_between(opened_, due));
        undecided_.push_back({.begin = opened_ + since, .trouble = trouble});
    }
    if (Second* const second = second_of(due)) ++second->arrived;
}

void CustomerLedger::answered(TimePoint due, TimePoint at, int status) {
    // Before anything is decided: an answer in time always finds its second undecided.
    const Duration took = time_between(due, at);
    if (is_refusal(status)) {
        ++picture_.refused;
    } else if (status >= 400) {
        ++picture_.failed;
    } else {
        latencies_.add(took);
        const bool good = took <= in_time_;
        ++(good ? picture_.answered : picture_.too_late);
        if (Second* const second = good ? second_of(due) : nullptr) ++second->answered;
    }
    decide_until(at);
}

void CustomerLedger::close() {
    for (const Second& second : undecided_) decide(second);
    undecided_.clear();
    decided_until_ = never;
}

CustomerPicture CustomerLedger::picture() const {
    CustomerPicture seen = picture_;
    seen.latency = latencies_.picture();
    return seen;
}

void CustomerLedger::decide_until(TimePoint now) {
    while (!undecided_.empty() && undecided_.front().begin + whole_second + in_time_ <= now) {
        decide(undecided_.front());
        decided_until_ = undecided_.front().begin + whole_second;
        undecided_.pop_front();
    }
}

void CustomerLedger::decide(const Second& second) {
    const Duration length = std::min(time_between(second.begin, ended_), whole_second);
    CustomerPicture::Part& part = second.trouble ? picture_.trouble : picture_.calm;
    part.time += length;
    part.answered += second.answered;
    outage_ = second.answered * 2 < second.arrived ? outage_ + length : Duration::zero();
    picture_.longest_outage = std::max(picture_.longest_outage, outage_);
}

CustomerLedger::Second* CustomerLedger::second_of(TimePoint due) {
    const auto found = std::ranges::find_if(
        undecided_, [due](const Second& second) { return second.begin <= due && due < second.begin + whole_second; });
    return found == undecided_.end() ? nullptr : &*found;
}

}  // namespace resilience::demo
