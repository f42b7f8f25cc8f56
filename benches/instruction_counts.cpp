// Runs the measured loops where callgrind counts them: a difference of two lengths is exact, load or no load.
//
//     instruction_counts          names the rows
//     instruction_counts N        runs every row with N operations
//     instruction_counts N ROW    runs one row
//
// tools/instruction_gates.py runs it with two N, divides the differences and compares them with benches/ceilings.json.

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "measured.hpp"

namespace {

bool run(const bench::Row& row, long n) {
    const long done = row.measured(n);
    if (done != n) std::cerr << row.name << ": " << done << " of " << n << " operations did what the row says\n";
    return done == n;
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 1) {
        for (const bench::Row& row : bench::rows) std::cout << row.name << '\n';
        return 0;
    }
    const long n = std::atol(arguments[1]);
    if (n <= 0 || n % 100 != 0) {
        std::cerr << "N is a positive multiple of 100, not '" << arguments[1] << "'\n";
        return 2;
    }
    bench::prepare();
    bool ran = false;
    bool right = true;
    for (const bench::Row& row : bench::rows) {
        if (count > 2 && row.name != std::string_view(arguments[2])) continue;
        ran = true;
        right = run(row, n) && right;
    }
    if (!ran) std::cerr << "there is no row '" << arguments[2] << "'\n";
    return ran && right ? 0 : 1;
}
