#pragma once

// A forked child of a test: it does its work, ends by _exit with a code, and is killed if it does not end.
//
// Fork only where no other thread runs: the child has the forking thread alone, and whatever lock another held at that
// moment stays locked in it for ever.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace for_tests {

inline constexpr unsigned patience_in_seconds = 60;
inline constexpr int was_killed = -1;

// As fork, and the child has patience_in_seconds to live: a deadlock in it ends by SIGALRM.
inline pid_t fork_with_a_bound() {
    std::fflush(nullptr);  // or what is buffered is printed twice
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGALRM, SIG_DFL);
        alarm(patience_in_seconds);
    }
    return child;
}

// The code a child ended with; was_killed if a signal ended it, or there is none.
inline int code_of(pid_t child) {
    if (child <= 0) return was_killed;
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    while (ended == -1 && errno == EINTR) ended = waitpid(child, &status, 0);
    if (ended != child || !WIFEXITED(status)) return was_killed;
    return WEXITSTATUS(status);
}

// Does `work` in a child and returns the code that it returned there.
template <class Work>
int code_of_child(Work&& work) {
    const pid_t child = fork_with_a_bound();
    if (child == 0) _exit(work());
    return code_of(child);
}

}  // namespace for_tests
