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
#include "demo/unguarded_shop.hpp"
#include "demo/upstream_set.hpp"

namespace resilience::demo {

// In the order in which parts depend on each other; the last one is destroyed first.
struct Demo::Parts {
    // The same shop without policies, with upstreams of its own.
    struct Twin {
        explicit Twin(const DemoOptions& options)
            : upstreams(start_upstreams(options.rate, options.seed, {})),
              shop(ports_of(upstreams)),
              front(shop, FrontConfig{.port = 0}) {}

        const Upstreams upstreams;
        UnguardedShop shop;
        Front front;
    };

    Parts(const DemoOptions& options, std::ostream& narration);

    [[nodiscard]] std::unique_ptr<LoadGenerator> started_load(const DemoOptions& options);
    [[nodiscard]] std::vector<const Upstreams*> upstream_sets() const;
    [[nodiscard]] std::vector<HttpRoute> routes();
    void say_addresses();
    [[nodiscard]] ScriptStage stage();
    [[nodiscard]] bool in_trouble() const;
    [[nodiscard]] DemoPicture picture() const;
    void stop();

    const TimePoint started = Clock::now();
    Narrator narrator;
    const Upstreams upstreams;
    ResilienceManager manager{"shop"};
    Subscription events;
    Shop shop;
    Front front;
    std::optional<Twin> twin;
    std::atomic<double> load_factor{1};
    std::unique_ptr<LoadGenerator> load;  // null with --no-load
    std::atomic<TimePoint> stopped{never};
    AdminServer admin;
    std::optional<ScriptPlayer> player;
    RefusalWatch refusals;
};

Demo::Parts::Parts(const DemoOptions& options, std::ostream& narration)
    : narrator(narration, ScriptClock{started, options.speed}),
      upstreams(start_upstreams(options.rate, options.seed,
                                [this](const std::string& deed) { narrator.tell(narrated_deed(deed)); })),
      events(manager.on_event([this](const Event& event) { narrator.tell(event); })),
      shop(manager, ShopConfig{.ports = ports_of(upstreams), .rate = options.rate}),
      front(shop, FrontConfig{.port = options.port}),
      twin(options.unguarded ? std::optional<Twin>(std::in_place, options) : std::nullopt),
      load(started_load(options)),
      admin(manager, AdminServerConfig{.port = options.admin_port, .next_free_port = true}, routes()) {
    say_addresses();
    player.emplace(options.script, ScriptClock{started, options.speed}, stage());
}

std::unique_ptr<LoadGenerator> Demo::Parts::started_load(const DemoOptions& options) {
    if (!options.load) return nullptr;
    LoadConfig config{.port = front.port(), .rate = options.rate, .seed = options.seed, .in_trouble = [this] {
                          return in_trouble();
                      }};
    if (twin) config.twin_port = twin->front.port();
    return std::make_unique<LoadGenerator>(config);
}

std::vector<const Upstreams*> Demo::Parts::upstream_sets() const {
    std::vector<const Upstreams*> sets{&upstreams};
    if (twin) sets.push_back(&twin->upstreams);
    return sets;
}

std::vector<HttpRoute> Demo::Parts::routes() {
    std::vector<HttpRoute> all = fault_routes(upstream_sets());
    all.push_back({"GET", "/demo/summary", [this](const HttpQuestion&) {
                       return HttpAnswer{.status = 200, .body = summary_json(picture()), .headers = {}};
                   }});
    return all;
}

void Demo::Parts::say_addresses() {
    const auto checkout = [](const Front& of) { return "http://127.0.0.1:" + std::to_string(of.port()) + "/checkout"; };
    narrator.say("Dashboard  " + admin.url() + "/      Shop  " + checkout(front) + "      Ctrl-C ends");
    if (twin)
        narrator.say("Its unguarded twin, with upstreams, load and faults of the same kind  " + checkout(twin->front));
}

ScriptStage Demo::Parts::stage() {
    return {.say = [this](std::string_view text) { narrator.tell(narrated_deed(text)); },
            .begin_fault =
                [this](UpstreamId id, const Fault& fault, Duration period) {
                    for (const Upstreams* const set : upstream_sets()) {
                        (*set)[static_cast<std::size_t>(id)]->set_fault(fault, period);
                    }
                },
            .set_load =
                [this](double factor) {
                    load_factor.store(factor);
                    if (load) load->set_factor(factor);
                }};
}

bool Demo::Parts::in_trouble() const {
    return load_factor.load() > 1 || std::ranges::any_of(upstreams, [](const std::unique_ptr<Upstream>& upstream) {
               return upstream->fault().has_value();
           });
}

DemoPicture Demo::Parts::picture() const {
    DemoPicture seen;
    seen.elapsed = time_between(started, std::min(stopped.load(), Clock::now()));
    seen.shop = {.front = front.picture(), .load = {}, .upstreams = picture_of(upstreams, shop)};
    if (twin) seen.unguarded = {twin->front.picture(), {}, picture_of(twin->upstreams, twin->shop)};
    if (load) {
        seen.shop.load = load->picture();
        if (twin) seen.unguarded->load = load->twin_picture();
    }
    return seen;
}

void Demo::Parts::stop() {
    if (stopped.load() != never) return;
    player.reset();
    if (load) load->stop();
    front.stop();
    if (twin) {
        shut(twin->upstreams);  // its threads would wait a minute for an upstream that hangs
        twin->front.stop();
    }
    stopped.store(Clock::now());
    events.reset();
}

Demo::Demo(const DemoOptions& options, std::ostream& narration) : parts_(std::make_unique<Parts>(options, narration)) {}

Demo::~Demo() { parts_->stop(); }

std::uint16_t Demo::port() const noexcept { return parts_->front.port(); }
std::uint16_t Demo::admin_port() const noexcept { return parts_->admin.port(); }
std::optional<std::uint16_t> Demo::unguarded_port() const noexcept {
    return parts_->twin ? std::optional(parts_->twin->front.port()) : std::nullopt;
}

void Demo::watch() {
    for (const std::string& line : parts_->refusals.look(parts_->manager.stats())) parts_->narrator.tell(line);
}

void Demo::stop() { parts_->stop(); }
DemoPicture Demo::picture() const { return parts_->picture(); }

}  // namespace resilience::demo
