// Runs every test and every mutant, or those of the parts whose names contain the first argument. Fails if a test does,
// if a mutant survives, or if the bound on states was met before the end.

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>

#include "parts.hpp"

namespace resilience::exploring {
namespace {

struct Tally {
    std::size_t tests = 0, states = 0, mutants = 0, problems = 0;
    Count interleavings = 0;
};

std::string text(Count count) {
    std::ostringstream out;
    if (count < 10'000'000) {
        out << static_cast<std::uint64_t>(count);
    } else {
        out << std::scientific << std::setprecision(1) << static_cast<double>(count);
    }
    return out.str();
}

void run_test(const Check& test, Tally& tally) {
    const auto begun = std::chrono::steady_clock::now();
    const Exploration found = test.run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    ++tally.tests;
    tally.states += found.states;
    tally.interleavings += found.interleavings;
    std::cout << "  " << std::left << std::setw(58) << test.name << std::right << std::setw(9) << found.states
              << " states " << std::setw(9) << text(found.interleavings) << " interleavings  ";
    if (found.complete) {
        std::cout << "complete";
    } else {
        ++tally.problems;
        if (found.failure.empty()) {
            std::cout << "NOT COMPLETE, cut at the bound";
        } else {
            std::cout << "FAILED: " << found.failure << "\n    schedule: " << found.schedule;
        }
    }
    std::cout << std::fixed << std::setprecision(1) << "  " << took.count() << " s\n" << std::flush;
}

void run_mutant(const Check& mutant, Tally& tally) {
    const Exploration found = mutant.run();
    ++tally.mutants;
    std::cout << "  mutant: " << std::left << std::setw(50) << mutant.name << std::right;
    if (found.failure.empty()) {
        ++tally.problems;
        std::cout << " SURVIVED " << found.states << " states\n" << std::flush;
        return;
    }
    std::cout << " caught: " << found.failure << "  [" << found.schedule << "]\n" << std::flush;
}

int run(std::string_view only) {
    std::ranges::sort(parts(), {}, &Part::name);
    Tally tally;
    for (const Part& part : parts()) {
        if (part.name.find(only) == std::string_view::npos) continue;
        std::cout << part.name << '\n';
        for (const Check& test : part.tests) run_test(test, tally);
        for (const Check& mutant : part.mutants) run_mutant(mutant, tally);
    }
    std::cout << "explore: " << tally.tests << " tests, " << text(tally.interleavings) << " interleavings in "
              << tally.states << " states, " << tally.mutants << " mutants: ";
    if (tally.tests == 0) ++tally.problems;
    if (tally.problems == 0) {
        std::cout << "every test holds, every mutant is caught\n";
    } else {
        std::cout << tally.problems << " problems\n";
    }
    return tally.problems == 0 ? 0 : 1;
}

}  // namespace
}  // namespace resilience::exploring

int main(int count, char** arguments) { return resilience::exploring::run(count > 1 ? arguments[1] : ""); }
