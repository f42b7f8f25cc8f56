#include "demo/load_generator.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <utility>

#include "demo/arrivals.hpp"
#include "demo/customers.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr Duration look_every = std::chrono::milliseconds{100};

}  // namespace

// Everything belongs to the generator's thread but the pictures of the customers.
struct LoadGenerator::Machine {
    explicit Machine(LoadConfig given);

    void schedule();
    void send_until(TimePoint now);
    void look();
    void set_factor(double factor);
    void end_arrivals();
    void close_when_at_rest();
    [[nodiscard]] bool in_trouble(TimePoint due);

    const LoadConfig config;
    const TimePoint started = Clock::now();
    asio::io_context io{1};
    asio::steady_timer arrival_timer{io};
    asio::steady_timer look_timer{io};
    Arrivals arrivals;
    Duration trouble_asked_for = Duration::min();  // the second since the start
    bool trouble = false;
    bool stopping = false;
    Customers customers;
    std::optional<Customers> twin;  // asks the other front
    std::thread thread;
};

LoadGenerator::Machine::Machine(LoadConfig given)
    : config(std::move(given)),
      arrivals(config.seed, config.rate, started),
      customers(io, config, config.port, started, [this] { close_when_at_rest(); }) {
    if (config.twin_port) {
        twin.emplace(io, config, *config.twin_port, started, [this] { close_when_at_rest(); });
    }
    schedule();
    look();
    thread = std::thread([this] { io.run(); });
}

void LoadGenerator::Machine::schedule() {
    if (stopping || arrivals.due() == never) return;
    arrival_timer.expires_at(arrivals.due());
    arrival_timer.async_wait([this](error_code error) {
        if (error || stopping) return;
        send_until(Clock::now());
        schedule();
    });
}

// Sends all whose moment has come, also when this thread was late: the schedule does not bend.
void LoadGenerator::Machine::send_until(TimePoint now) {
    while (arrivals.due() <= now) {
        const Arrival arrival = arrivals.take();
        const bool hard_times = in_trouble(arrival.due);
        customers.arrive(arrival, hard_times);
        if (twin) twin->arrive(arrival, hard_times);
    }
}

bool LoadGenerator::Machine::in_trouble(TimePoint due) {
    const Duration second = std::chrono::floor<std::chrono::seconds>(time_between(started, due));
    if (second != std::exchange(trouble_asked_for, second)) trouble = config.in_trouble && config.in_trouble();
    return trouble;
}

void LoadGenerator::Machine::look() {
    if (stopping && customers.is_at_rest() && (!twin || twin->is_at_rest())) return;
    const TimePoint now = Clock::now();
    look_timer.expires_after(look_every);
    look_timer.async_wait([this](error_code error) {
        if (!error) look();
    });
    customers.look(now);
    if (twin) twin->look(now);
}

void LoadGenerator::Machine::set_factor(double factor) {
    if (stopping) return;
    const TimePoint now = Clock::now();
    send_until(now);
    arrivals.set_factor(factor, now);
    arrival_timer.cancel();
    schedule();
}

void LoadGenerator::Machine::end_arrivals() {
    stopping = true;
    arrival_timer.cancel();
    const TimePoint now = Clock::now();
    const TimePoint pointless = saturating_add(now, config.in_time);
    customers.end_arrivals(now, pointless, never);
    if (twin) twin->end_arrivals(now, pointless, pointless);
}

// The io_context ends when nothing is under way any more: the timer is the last.
void LoadGenerator::Machine::close_when_at_rest() {
    if (!stopping || !customers.is_at_rest() || (twin && !twin->is_at_rest())) return;
    customers.close();
    if (twin) twin->close();
    look_timer.cancel();
}

LoadGenerator::LoadGenerator(LoadConfig config) : machine_(std::make_unique<Machine>(std::move(config))) {}
LoadGenerator::~LoadGenerator() { stop(); }

void LoadGenerator::set_factor(double factor) {
    asio::post(machine_->io, [machine = machine_.get(), factor] { machine->set_factor(factor); });
}

void LoadGenerator::stop() {
    if (!machine_->thread.joinable()) return;
    asio::post(machine_->io, [machine = machine_.get()] { machine->end_arrivals(); });
    machine_->thread.join();
}

LoadPicture LoadGenerator::picture() const { return machine_->customers.picture(); }

std::optional<LoadPicture> LoadGenerator::twin_picture() const {
    return machine_->twin ? std::optional(machine_->twin->picture()) : std::nullopt;
}

}  // namespace resilience::demo
