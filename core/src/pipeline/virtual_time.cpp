#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <utility>

namespace resilience::inline v1 {
namespace {

thread_local VirtualTime* running_time = nullptr;

}  // namespace

namespace detail {

void nothing_will_happen() {
    throw std::logic_error("VirtualTime: the call waits for something that nothing planned will bring");
}
void not_ended() { throw std::logic_error("VirtualTime: the call has not ended"); }

RunningAttempt::RunningAttempt(VirtualTime& time, VirtualFrame& running_frame) noexcept
    : frame(running_frame), time_(time), outer_(time.running_), outer_time_(running_time) {
    time.running_ = this;
    running_time = &time;
}
RunningAttempt::~RunningAttempt() {
    time_.running_ = outer_;
    running_time = outer_time_;
}

}  // namespace detail

VirtualTime::VirtualTime(std::uint64_t seed, TimePoint start) : start_(start), now_(start), random_(seed) {}

VirtualTime::~VirtualTime() {
    while (!pending_.empty()) {
        const auto frame = pending_.begin()->second;
        pending_.erase(pending_.begin());
        frame->abandon();
    }
}

VirtualTime* VirtualTime::running() noexcept { return running_time; }

void VirtualTime::at(TimePoint moment, std::function<void()> action) {
    events_.push(Planned{.at = moment < now_ ? now_ : moment, .number = planned_++, .action = std::move(action)});
}

bool VirtualTime::run_one() {
    if (events_.empty()) return false;
    const Planned next = events_.top();
    events_.pop();
    now_ = next.at;
    next.action();
    return true;
}

void VirtualTime::run() {
    while (run_one()) {
    }
}

void VirtualTime::advance(Duration by) {
    const TimePoint until = saturating_add(now_, by);
    while (!events_.empty() && events_.top().at <= until) run_one();
    if (now_ < until) now_ = until;
}

void VirtualTime::take(Duration duration) {
    if (running_ == nullptr) throw std::logic_error("VirtualTime::take: no function of this time is running");
    running_->taken += duration;
}

VirtualHold VirtualTime::hold() {
    if (running_ == nullptr) throw std::logic_error("VirtualTime::hold: no function of this time is running");
    running_->held = true;
    return VirtualHold(*this, running_->frame.weak_from_this());
}

TimePoint VirtualTime::now_in_attempt() const noexcept {
    return running_ == nullptr ? now_ : saturating_add(now_, running_->taken);
}

void VirtualTime::plan_poll(TimePoint moment, std::shared_ptr<detail::VirtualFrame> frame) {
    at(moment, [frame = std::move(frame)] { frame->poll(); });
}
void VirtualTime::plan_end(TimePoint moment, std::shared_ptr<detail::VirtualFrame> frame) {
    at(moment, [frame = std::move(frame)] { frame->end_attempt(); });
}
void VirtualTime::plan_cancel(std::shared_ptr<detail::VirtualFrame> frame) {
    at(now_, [frame = std::move(frame)] { frame->cancel_now(); });
}
void VirtualTime::plan_delivery(std::shared_ptr<detail::VirtualFrame> frame, Waiter& waiter) {
    at(now_, [frame = std::move(frame), &waiter] { frame->bring(waiter); });
}
void VirtualTime::pending(std::shared_ptr<detail::VirtualFrame> frame) {
    detail::VirtualFrame* const key = frame.get();
    pending_.emplace(key, std::move(frame));
}
void VirtualTime::finished(detail::VirtualFrame& frame) noexcept { pending_.erase(&frame); }

void VirtualHold::end() {
    const auto frame = std::exchange(frame_, {}).lock();
    // A call that is done may have outlived its time.
    if (frame && !frame->done()) time_->plan_end(time_->now(), frame);
}

}  // namespace resilience::inline v1
