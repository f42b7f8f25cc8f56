#include <array>
#include <resilience/base/duration_text.hpp>

#include "demo/demo_picture.hpp"
#include "text/figures.hpp"

namespace resilience::demo {
namespace {

using program::percent;
using program::with_separators;

constexpr double doubtful = 0.01;  // of the calls
constexpr double hopeless = 0.1;

double part_of(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Requests of others than the load's customers, of whom some had left when the front answered them.
std::uint64_t by_others(const ShopPicture& shop) {
    const std::uint64_t by_load = shop.load->calls - shop.load->not_sent - shop.load->waiting;
    return shop.front.requests > by_load ? shop.front.requests - by_load : 0;
}

void look_for_others(const ShopPicture& shop, std::string_view which, Fairness& fairness) {
    const std::uint64_t others = by_others(shop);
    if (part_of(others, shop.load->calls) < doubtful) return;
    fairness.cautions.push_back("somebody else asked the " + std::string(which) + " " + with_separators(others) +
                                " times: the two did not carry the same load");
}

// Seconds as one reads them beside each other: tenths below ten.
std::string seconds_text(Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    return program::with_decimals(seconds, seconds < 10 && seconds > 0 ? 1 : 0) + " s";
}

// Of less than a second there is no rate worth reading: a run may end right after a fault began.
std::string per_second(const CustomerPicture::Part& part) {
    if (part.time < std::chrono::seconds(1)) return "–";
    const double seconds = std::chrono::duration<double>(part.time).count();
    return program::with_decimals(static_cast<double>(part.answered) / seconds, 1) + "/s";
}

constexpr std::array<std::string_view, 11> columns{"answered", "too late", "refused", "failed", "hung",     "p50",
                                                   "p99",      "trouble",  "calm",    "outage", "upstreams"};

std::array<std::string, columns.size()> figures_of(const ShopPicture& shop) {
    const CustomerPicture& got = shop.load->customers;
    std::uint64_t asked = 0;
    for (const UpstreamPicture& upstream : shop.upstreams) asked += upstream.counts.received;
    const auto share = [&](std::uint64_t part) { return percent(part, got.calls); };
    return {share(got.answered),
            share(got.too_late),
            share(got.refused),
            share(got.failed),
            share(got.hung),
            duration_text(got.latency.p50),
            duration_text(got.latency.p99),
            per_second(got.trouble),
            per_second(got.calm),
            seconds_text(got.longest_outage),
            with_separators(asked)};
}

std::string legend(Duration trouble) {
    return "answered: well, within 2 s of the arrival · p50, p99: until a good answer, in time or not\n"
           "trouble: answered a second in the " +
           seconds_text(trouble) +
           " with a fault or more load than usual · calm: in the rest\n"
           "outage: longest time in which fewer than half were answered · upstreams: requests they got\n";
}

std::string row_of(std::string_view name, const auto& cells) {
    std::string row = program::padded(name, 10);
    for (const auto& cell : cells) row += program::padded_left(cell, 10);
    return row + "\n";
}

}  // namespace

Fairness fairness_of(const ShopPicture& shop, const ShopPicture& twin) {
    Fairness fairness;
    const double lag = part_of(shop.load->lagged, shop.load->calls);
    if (lag >= doubtful) {
        fairness.cautions.push_back("this machine was too busy: " + percent(shop.load->lagged, shop.load->calls) +
                                    " of the calls began over 10 ms late before any front saw them");
    }
    fairness.comparable = shop.load->calls > 0 && lag < hopeless;
    look_for_others(shop, "guarded shop", fairness);
    look_for_others(twin, "unguarded twin", fairness);
    return fairness;
}

std::string comparison_text(const DemoPicture& picture) {
    if (!picture.unguarded || !picture.shop.load || !picture.unguarded->load) return {};
    const ShopPicture& twin = *picture.unguarded;
    const Fairness fairness = fairness_of(picture.shop, twin);
    const std::uint64_t calls = picture.shop.load->calls;
    if (calls == 0) return {};
    std::string text;
    for (const std::string& caution : fairness.cautions) text += "caution: " + caution + "\n";
    if (!fairness.comparable) return text + "no comparison with the unguarded twin: it would say nothing\n";
    text += "what guarding changed, for the same " + with_separators(calls) + " calls to both:\n";
    text += row_of("", columns);
    text += row_of("guarded", figures_of(picture.shop));
    text += row_of("unguarded", figures_of(twin));
    return text + legend(picture.shop.load->customers.trouble.time);
}

}  // namespace resilience::demo
