#include <iostream>
#include <string>
#include <vector>

#include "command_line.hpp"

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + (count > 0 ? 1 : 0), words + count);
    return static_cast<int>(resilience::program::run_program(arguments, std::cout, std::cerr));
}
