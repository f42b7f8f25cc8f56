#include "demo/demo.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <ostream>
#include <resilience/http/admin_server.hpp>
#include <resilience/manager/manager.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "demo/fault_routes.hpp"
#include "demo/front.hpp"
#include "demo/narration.hpp"
#include "demo/narrator.hpp"
#include "demo/refusal_watch.hpp"
#include "demo/script_player.hpp"
#include "demo/shop.hpp"

namespace resilience::demo {

// In the order in which parts depend on each other; the last one is destroyed first.
struct Demo::Parts {
    Parts(const DemoOptions& options, std::ostream& narration);

    static Upstreams started_upstreams(Narrator& narrator, std::uint64_t seed);
    [[nodiscard]] std::unique_ptr<LoadGenerator> started_load(const DemoOptions& options) const;
    [[nodiscard]] ShopConfig shop_config(double rate) const;
    [[nodiscard]] std::vector<HttpRoute> routes();
    [[nodiscard]] std::string first_line() const;
    [[nodiscard]] ScriptStage stage();
    [[nodiscard]] DemoPicture picture() const;
    void stop();

    const TimePoint started = Clock::now();
    Narrator narrator;
    Upstreams upstreams;
    ResilienceManager manager{"shop"};
    Subscription events;
    Shop shop;
    Front front;
    std::unique_ptr<LoadGenerator> load;  // null with --no-load
    std::atomic<TimePoint> stopped{never};
    AdminServer admin;
    std::optional<ScriptPlayer> player;
    RefusalWatch refusals;
};

Demo::Parts::Parts(const DemoOptions& options, std::ostream& narration)
    : narrator(narration, ScriptClock{started, options.speed}),
      upstreams(started_upstreams(narrator, options.seed)),
      events(manager.on_event([this](const Event& event) { narrator.tell(event); })),
      shop(manager, shop_config(options.rate)),
      front(shop, FrontConfig{.port = options.port}),
      load(started_load(options)),
      admin(manager, AdminServerConfig{.port = options.admin_port, .next_free_port = true}, routes()) {
    narrator.say(first_line());
    player.emplace(options.script, ScriptClock{started, options.speed}, stage());
}

Upstreams Demo::Parts::started_upstreams(Narrator& narrator, std::uint64_t seed) {
    Upstreams started;
    for (std::size_t index = 0; index < upstream_names.size(); ++index) {
        const auto id = static_cast<UpstreamId>(index);
        started.push_back(std::make_unique<Upstream>(
            UpstreamConfig{.name = std::string(name_of(id)),
                           .usual_latency = usual_latency(id),
                           .seed = seed + index,
                           .narrate = [&narrator](const std::string& deed) { narrator.tell(narrated_deed(deed)); }}));
    }
    return started;
}

std::unique_ptr<LoadGenerator> Demo::Parts::started_load(const DemoOptions& options) const {
    if (!options.load) return nullptr;
    return std::make_unique<LoadGenerator>(
        LoadConfig{.port = front.port(), .rate = options.rate, .seed = options.seed});
}

ShopConfig Demo::Parts::shop_config(double rate) const {
    ShopConfig config{.rate = rate};
    for (std::size_t index = 0; index < upstreams.size(); ++index) config.ports[index] = upstreams[index]->port();
    return config;
}

std::vector<HttpRoute> Demo::Parts::routes() {
    std::vector<HttpRoute> all = fault_routes(upstreams);
    all.push_back({"GET", "/demo/summary", [this](const HttpQuestion&) {
                       return HttpAnswer{.status = 200, .body = summary_json(picture()), .headers = {}};
                   }});
    return all;
}

std::string Demo::Parts::first_line() const {
    return "Dashboard  " + admin.url() + "/      Shop  http://127.0.0.1:" + std::to_string(front.port()) +
           "/checkout      Ctrl-C ends";
}

ScriptStage Demo::Parts::stage() {
    return {
        .say = [this](std::string_view text) { narrator.tell(narrated_deed(text)); },
        .begin_fault = [this](UpstreamId id, const Fault& fault,
                              Duration period) { upstreams[static_cast<std::size_t>(id)]->set_fault(fault, period); },
        .set_load =
            [this](double factor) {
                if (load) load->set_factor(factor);
            }};
}

DemoPicture Demo::Parts::picture() const {
    DemoPicture seen;
    seen.elapsed = time_between(started, std::min(stopped.load(), Clock::now()));
    seen.front = front.picture();
    if (load) seen.load = load->picture();
    for (std::size_t index = 0; index < upstreams.size(); ++index) {
        const UpstreamTraffic& traffic = shop.traffic(static_cast<UpstreamId>(index));
        UpstreamPicture& upstream = seen.upstreams[index];
        upstream.port = upstreams[index]->port();
        upstream.counts = upstreams[index]->counts();
        upstream.fault = upstreams[index]->fault();
        upstream.exchanges = traffic.exchanges.load(std::memory_order_relaxed);
        upstream.answered = traffic.answered.load(std::memory_order_relaxed);
        upstream.unreachable = traffic.unreachable.load(std::memory_order_relaxed);
        upstream.broken = traffic.broken.load(std::memory_order_relaxed);
        upstream.timed_out = traffic.timed_out.load(std::memory_order_relaxed);
        upstream.resent = traffic.resent.load(std::memory_order_relaxed);
    }
    return seen;
}

void Demo::Parts::stop() {
    if (stopped.load() != never) return;
    player.reset();
    if (load) load->stop();
    front.stop();
    stopped.store(Clock::now());
    events.reset();
}

Demo::Demo(const DemoOptions& options, std::ostream& narration) : parts_(std::make_unique<Parts>(options, narration)) {}

Demo::~Demo() { parts_->stop(); }

std::uint16_t Demo::port() const noexcept { return parts_->front.port(); }
std::uint16_t Demo::admin_port() const noexcept { return parts_->admin.port(); }

void Demo::watch() {
    for (const std::string& line : parts_->refusals.look(parts_->manager.stats())) parts_->narrator.tell(line);
}

void Demo::stop() { parts_->stop(); }
DemoPicture Demo::picture() const { return parts_->picture(); }

}  // namespace resilience::demo
