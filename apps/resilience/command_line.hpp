#pragma once

// The command line of `resilience`: what it knows, how it is told, and which exit code comes of it.

#include <expected>
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "demo/demo.hpp"
#include "exit_codes.hpp"

namespace resilience::program {

// What was asked for, checked as far as words go.
struct ShowText {
    std::string text;  // help or version, for standard output
};
struct RunDemo {
    demo::DemoOptions options;
    std::string script_file;  // empty: the default script
};
using Command = std::variant<ShowText, RunDemo>;

// The error is whole lines for standard error; all of them mean wrong usage.
[[nodiscard]] std::expected<Command, std::string> parse_command_line(const std::vector<std::string>& arguments);

// Parses and runs. Answers go to `out`, everything else to `err`. Catches what nobody expected: exit code 70.
ExitCode run_program(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) noexcept;

}  // namespace resilience::program
