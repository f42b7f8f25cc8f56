// Times a keyed limiter that holds a million keys, asked for them as popularity goes (Zipf 1.0), beside a plain one.
//
// Prints one JSON object: nanoseconds per admission, medians of batches that ran in turn. A million words are not in
// the cache, so tools/run_benches.py holds the keyed rows against four times the plain limiter and one such read.
//
//     limiter         RateLimiter::acquire
//     array_read      reading one of a million places of 57 bytes, by the same keys, one after another
//     keyed_number    KeyedRateLimiter::acquire of a key that is held, a 64-bit number
//     keyed_text      the same of a text of 20 bytes

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <resilience/base/random.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <string_view>
#include <vector>

#include "harness.hpp"

namespace {

using namespace resilience;

constexpr std::size_t keys = 1'000'000;
constexpr std::size_t draws = std::size_t{1} << 20;
const TimePoint now = Clock::now();

KeyedRateLimiterConfig plenty() {
    return {.tiers = {{"only", 4'000'000'000, 1e9}}, .max_keys = 2 * keys, .seed = KeySeed{1, 2}};
}

RateLimiter limiter{"limiter", {.capacity = 4'000'000'000, .refill_rate = 1e9}};
KeyedRateLimiter by_number{"by_number", plenty()};
KeyedRateLimiter by_text{"by_text", plenty()};
std::vector<std::uint32_t> drawn;

// The bytes of the number behind a fixed beginning, as an identifier of 20 bytes.
class Text {
  public:
    explicit Text(std::uint32_t number) noexcept {
        std::memcpy(text_.data() + text_.size() - sizeof(number), &number, sizeof(number));
    }
    operator std::string_view() const noexcept { return {text_.data(), text_.size()}; }

  private:
    std::array<char, 20> text_{'t', 'e', 'n', 'a', 'n', 't', '/'};
};

// Neighbours in popularity are no neighbours as numbers.
std::uint32_t key_of_rank(std::size_t rank) { return static_cast<std::uint32_t>(rank * 2'654'435'761U); }

// As much memory for a key as the keyed limiter uses.
struct Place {
    std::array<char, 56> rest{};
    char held = 1;
};
static_assert(sizeof(Place) == 57);
std::vector<Place> places(keys);

std::size_t place_of(std::uint32_t key) { return static_cast<std::size_t>((std::uint64_t{key} * keys) >> 32); }

bool prepare() {
    std::vector<double> cumulated;
    double sum = 0;
    bool admitted = true;
    for (std::size_t rank = 1; rank <= keys; ++rank) cumulated.push_back(sum += 1 / static_cast<double>(rank));
    Random random(1);
    for (std::size_t draw = 0; draw < draws; ++draw) {
        const auto found = std::lower_bound(cumulated.begin(), cumulated.end(), random.unit() * sum);
        drawn.push_back(key_of_rank(static_cast<std::size_t>(found - cumulated.begin())));
    }
    for (std::size_t rank = 0; rank < keys; ++rank) {
        admitted = by_number.acquire(key_of_rank(rank), 1, now) && admitted;
        admitted = by_text.acquire(Text(key_of_rank(rank)), 1, now) && admitted;
    }
    return admitted && by_number.stats().keys == keys && by_text.stats().keys == keys;
}

// Goes on where the last batch ended.
std::uint32_t next_key() {
    static std::size_t place = 0;
    return drawn[place++ % draws];
}

long measured_limiter(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += limiter.acquire(1, now) ? 1 : 0;
    return done;
}

// Each read waits for the one before, as each admission does: its lock lets nothing pass.
long measured_array_read(long n) {
    long done = 0;
    std::size_t read = 1;
    for (long i = 0; i < n; ++i) {
        read = static_cast<std::size_t>(places[place_of(next_key()) * read].held);
        done += static_cast<long>(read);
    }
    return done;
}

long measured_number(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += by_number.acquire(next_key(), 1, now) ? 1 : 0;
    return done;
}

long measured_text(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += by_text.acquire(Text(next_key()), 1, now) ? 1 : 0;
    return done;
}

struct TimedRow {
    std::string_view name;
    bench::Loop loop;
    long length = 0;
    bench::Timings timings{};
};

}  // namespace

int main() {
    bool right = prepare();
    std::array rows{TimedRow{.name = "limiter", .loop = measured_limiter},
                    TimedRow{.name = "array_read", .loop = measured_array_read},
                    TimedRow{.name = "keyed_number", .loop = measured_number},
                    TimedRow{.name = "keyed_text", .loop = measured_text}};
    for (TimedRow& row : rows) row.length = bench::batch_length(row.loop);
    for (std::size_t batch = 0; batch < bench::batches; ++batch) {
        for (TimedRow& row : rows) {
            const bench::Run run = bench::run(row.loop, row.length);
            row.timings.add(bench::nanoseconds(run.end - run.begin) / static_cast<double>(row.length), run.clean);
            right = run.right && right;
        }
    }
    std::cout << "{\"bytes_a_key\": "
              << static_cast<double>(by_number.stats().bytes) / static_cast<double>(by_number.stats().keys)
              << ", \"rows\": {";
    const char* separator = "";
    for (const TimedRow& row : rows) {
        std::cout << separator << "\n  \"" << row.name << "\": {\"one\": " << row.timings.median_nanoseconds()
                  << ", \"clean\": " << row.timings.clean() << '}';
        separator = ",";
    }
    std::cout << "}}\n";
    if (!right) std::cerr << "a request was not admitted\n";
    return right ? 0 : 1;
}
