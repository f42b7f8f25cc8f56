#pragma once

// Runs the demo from its first line to its summary, until a signal or its duration ends it.

#include <iosfwd>

#include "demo/demo.hpp"
#include "exit_codes.hpp"

namespace resilience::demo {

// Narration and summary go to `out`, what concerns the machine (a port in use) to `err`. SIGINT and SIGTERM end the
// demo with its summary; a second one ends the process at once. Blocks; one at a time in a process.
program::ExitCode run_demo(const DemoOptions& options, std::ostream& out, std::ostream& err);

// Reads a script, "-" from standard input; tells every error on `err` as FILE:LINE: error: …, then how many there are.
program::ExitCode read_script(const std::string& file, Script& script, std::ostream& err);

}  // namespace resilience::demo
