// A quota of 60,000 tokens a minute for a language model, asked with an estimate and settled with the truth: replays a
// trace of real requests and prints what came of it.
//
//     example_token_replay examples/traces/azure_llm_code.csv
//
// Exit codes: 0 every window kept its bound, 1 one did not, 2 the trace cannot be read.

#include "token_replay.hpp"

#include <fstream>
#include <iomanip>
#include <iostream>
#include <resilience/base/duration_text.hpp>

namespace {

void print(const token_replay::Result& result) {
    const auto row = [](const char* what, std::uint64_t count) {
        std::cout << std::left << std::setw(24) << what << std::right << std::setw(12) << count << '\n';
    };
    row("admitted", result.admitted);
    row("refused", result.refused);
    row("  never to be granted", result.too_large);
    row("tokens estimated", result.estimated_tokens);
    row("tokens used", result.used_tokens);
    row("tokens unused", result.unused_tokens);
    row("  refunded", result.refunded_tokens);
    row("tokens beyond estimates", result.surplus_tokens);
    row("deepest debt", result.deepest_debt);
    if (result.worst) {
        std::cout << "worst window: " << result.worst->charged << " tokens in "
                  << resilience::duration_text(result.worst->to - result.worst->from) << ", bound " << std::fixed
                  << std::setprecision(3) << result.worst->allowed << ": " << (result.within_bound ? "kept" : "BROKEN")
                  << '\n';
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: " << arguments[0] << " TRACE.csv\n";
        return 2;
    }
    try {
        std::ifstream file(arguments[1]);
        if (!file) {
            std::cerr << arguments[1] << ": cannot be opened\n";
            return 2;
        }
        const std::vector<token_trace::Request> trace = token_trace::read(file, arguments[1]);
        const token_replay::Result result = token_replay::Replay(token_replay::Plan{}).run(trace);
        print(result);
        return result.within_bound ? 0 : 1;
    } catch (const token_trace::BadTrace& problem) {
        std::cerr << problem.what() << '\n';
        return 2;
    }
}
