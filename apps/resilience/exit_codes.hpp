#pragma once

// What the program's exit code tells the script that started it.

namespace resilience::program {

enum class ExitCode : int {
    done = 0,         // done; also a demo ended by Ctrl-C or SIGTERM
    no = 1,           // done, and the answer is no
    wrong_usage = 2,  // unknown words, bad values, a script with errors
    environment = 3,  // a file that cannot be read, a port that cannot be had
    our_bug = 70,     // an exception nobody expected
};

}  // namespace resilience::program
