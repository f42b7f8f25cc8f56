// Times the measured loops and, in the same run and interleaved with them, the machine instructions they are made of.
//
// Prints one JSON object: nanoseconds per operation at one thread, and for some at two threads on the same instance.
// tools/run_benches.py turns it into tables and holds it against benches/ceilings.json.
//
//     fetch_add      a relaxed fetch_add on a cache line of its own
//     swap           a load and a compare-exchange, likewise
//     clock_read     Clock::now()
//     empty_call     a call that the compiler cannot see through
//     instruction    one of a block of additions, four of which never wait for each other
//     two_lines, swap_and_apart    two of them in turn, for comparison at two threads
//     apart          a relaxed fetch_add on a line that belongs to the thread: at two threads, what sharing nothing
//     costs

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <string_view>
#include <vector>

#include "harness.hpp"
#include "measured.hpp"

namespace {

using bench::Loop;

struct alignas(64) Line {
    std::atomic<std::uint64_t> word{0};
};
Line added;
Line swapped;

[[gnu::noinline]] long fetch_add(long n) {
    for (long i = 0; i < n; ++i) added.word.fetch_add(1, std::memory_order_relaxed);
    return n;
}

[[gnu::noinline]] long apart(long n) {
    alignas(64) static thread_local std::atomic<std::uint64_t> own{0};
    for (long i = 0; i < n; ++i) own.fetch_add(1, std::memory_order_relaxed);
    return n;
}

[[gnu::noinline]] long swap(long n) {
    for (long i = 0; i < n; ++i) {
        std::uint64_t seen = swapped.word.load(std::memory_order_relaxed);
        while (!swapped.word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
        }
    }
    return n;
}

[[gnu::noinline]] long clock_read(long n) {
    bench::TimePoint last{};
    for (long i = 0; i < n; ++i) last = bench::Clock::now();
    return last > bench::TimePoint{} ? n : 0;
}

[[gnu::noinline]] void nothing() { asm volatile(""); }

[[gnu::noinline]] long empty_call(long n) {
    for (long i = 0; i < n; ++i) nothing();
    return n;
}

// The empty assembly keeps the compiler from folding the additions; the loop costs 3 more for every 100.
[[gnu::noinline]] long instruction(long n) {
    std::uint64_t a = 1;
    std::uint64_t b = 2;
    std::uint64_t c = 3;
    std::uint64_t d = 4;
    for (long i = 0; i < n; i += 100) {
#pragma GCC unroll 25
        for (int block = 0; block < 25; ++block) {
            a += 1;
            b += 1;
            c += 1;
            d += 1;
            asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        }
    }
    return a + b + c + d != 0 ? n : 0;
}

// Two words on different lines, one after the other: at two threads both lines travel for each operation.
[[gnu::noinline]] long two_lines(long n) {
    for (long i = 0; i < n; ++i) {
        added.word.fetch_add(1, std::memory_order_relaxed);
        swapped.word.fetch_add(1, std::memory_order_relaxed);
    }
    return n;
}

// A shared swap and a counter of one's own.
[[gnu::noinline]] long swap_and_apart(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += swap(1) + apart(1);
    return done / 2;
}

struct TimedRow {
    std::string_view name;
    Loop loop;
    bool at_two_threads;
    long length = 0;
    bench::Timings alone{};
    bench::Timings together{};
};

std::vector<TimedRow> all_rows() {
    std::vector<TimedRow> rows{{.name = "fetch_add", .loop = fetch_add, .at_two_threads = true},
                               {.name = "swap", .loop = swap, .at_two_threads = true},
                               {.name = "clock_read", .loop = clock_read, .at_two_threads = false},
                               {.name = "empty_call", .loop = empty_call, .at_two_threads = false},
                               {.name = "apart", .loop = apart, .at_two_threads = true},
                               {.name = "two_lines", .loop = two_lines, .at_two_threads = true},
                               {.name = "swap_and_apart", .loop = swap_and_apart, .at_two_threads = true},
                               {.name = "instruction", .loop = instruction, .at_two_threads = true}};
    // Whole calls at two threads are the sum of their parts; the clock has nothing to share.
    for (const bench::Row& row : bench::rows) {
        const bool part = row.name.find("pipeline") == row.name.npos && row.name != "by_hand" && row.name != "clock";
        rows.push_back({.name = row.name, .loop = row.measured, .at_two_threads = part});
    }
    return rows;
}

bool time_alone(TimedRow& row) {
    const bench::Run run = bench::run(row.loop, row.length);
    row.alone.add(bench::nanoseconds(run.end - run.begin) / static_cast<double>(row.length), run.clean);
    return run.right;
}

// The wall time from the first begin to the last end. Not clean when the two overlap for less than four fifths of it.
// Shorter batches than alone: sharing makes an operation several times as long.
bool time_together(TimedRow& row, bench::Companion& companion) {
    const long length = std::max(1000L, row.length / 500 * 100);
    const auto [one, other] = companion.run_together(row.loop, length);
    const double whole = bench::nanoseconds(std::max(one.end, other.end) - std::min(one.begin, other.begin));
    const double overlap = bench::nanoseconds(std::min(one.end, other.end) - std::max(one.begin, other.begin));
    row.together.add(whole / static_cast<double>(length), one.clean && other.clean && overlap > 0.8 * whole);
    return one.right && other.right;
}

void print(const std::vector<TimedRow>& rows) {
    std::cout << "{\"batches\": " << bench::batches << ", \"rows\": {";
    const char* separator = "";
    for (const TimedRow& row : rows) {
        std::cout << separator << "\n  \"" << row.name << "\": {\"one\": " << row.alone.median_nanoseconds()
                  << ", \"clean\": " << row.alone.clean();
        if (row.at_two_threads) {
            std::cout << ", \"two\": " << row.together.median_nanoseconds()
                      << ", \"clean_two\": " << row.together.clean();
        }
        std::cout << '}';
        separator = ",";
    }
    std::cout << "}}\n";
}

}  // namespace

int main() {
    bench::prepare();
    std::vector<TimedRow> rows = all_rows();
    for (TimedRow& row : rows) row.length = bench::batch_length(row.loop);
    bool right = true;
    // Two phases: who has just waited for a companion is the first to lose the processor.
    for (std::size_t batch = 0; batch < bench::batches; ++batch) {
        for (TimedRow& row : rows) right = time_alone(row) && right;
    }
    bench::Companion companion;
    for (std::size_t batch = 0; batch < bench::batches; ++batch) {
        for (TimedRow& row : rows) {
            if (row.at_two_threads) right = time_together(row, companion) && right;
        }
    }
    print(rows);
    if (!right) std::cerr << "an operation did not do what its row says\n";
    return right ? 0 : 1;
}
