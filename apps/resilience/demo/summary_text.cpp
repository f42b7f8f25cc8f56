#include <resilience/base/duration_text.hpp>

#include "demo/demo_picture.hpp"
#include "text/figures.hpp"

namespace resilience::demo {
namespace {

using program::percent;
using program::with_separators;

std::string shares(const FrontPicture& front) {
    const std::uint64_t all = front.requests;
    const std::uint64_t without = front.refused() - front.refused_with_retry_after;
    std::string text = " · " + percent(front.of(Ending::answered), all) + " answered · " +
                       percent(front.refused_with_retry_after, all) + " refused with Retry-After · ";
    if (without > 0) text += percent(without, all) + " refused without · ";
    text += percent(front.of(Ending::failed), all) + " failed";
    if (front.of(Ending::not_a_route) > 0) text += " · " + percent(front.of(Ending::not_a_route), all) + " not found";
    return text;
}

std::string refusals(const FrontPicture& front) {
    if (front.refused() == 0) return {};
    std::string text = "rejected: p99 " + duration_text(front.rejected.p99) + ", max " +
                       duration_text(front.rejected.max) + " from request parsed to last byte";
    if (const std::uint64_t later = front.of(Ending::refused_after_try); later > 0) {
        text += "; " + with_separators(later) + " of them after a failed try, p99 " +
                duration_text(front.refused_after_try.p99);
    }
    return text + "\n";
}

std::string load_line(const LoadPicture& load) {
    std::string text = "load: " + with_separators(load.calls) + " calls · " + with_separators(load.answered) +
                       " answers · " + with_separators(load.socket_errors.total()) + " socket errors · " +
                       with_separators(load.late) + " started late";
    if (load.not_sent > 0) text += " · " + with_separators(load.not_sent) + " not sent";
    return text + "\n";
}

}  // namespace

std::string summary_text(const DemoPicture& picture) {
    const FrontPicture& front = picture.shop.front;
    const auto seconds = std::chrono::round<std::chrono::seconds>(picture.elapsed).count();
    std::string text = "summary " + with_separators(static_cast<std::uint64_t>(seconds)) +
                       " s: " + with_separators(front.requests) + " requests";
    if (front.requests > 0) text += shares(front);
    text += "\n" + refusals(front);
    if (picture.shop.load) text += load_line(*picture.shop.load);
    return text + comparison_text(picture);
}

}  // namespace resilience::demo
