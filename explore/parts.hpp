#pragma once

// What `make explore` runs: for each lock-free part the tests that hold in every interleaving, and mutants of the part
// that each have to be caught by one of them.
//
// A part lists itself from its own file, which needs no edit anywhere else:
//
//     const Listed listed{{.name = "token bucket",
//                          .tests = {{"two takers", explore<TwoTakers<ExplorerAtomics>>}},
//                          .mutants = {{"checks, then stores", explore<TwoTakers<ChecksThenStores>>}}}};
//
// A mutant is a type derived from ExplorerAtomics and one specialized member function with the fault in it:
//
//     struct ChecksThenStores : ExplorerAtomics {};
//     template <>
//     bool BasicThing<ChecksThenStores>::take() noexcept { … }       // the rest of BasicThing is the code that ships
//
// so production headers carry no hook for it, and a change there that makes the mutant meaningless does not compile, or
// lets it survive, which fails the run.

#include <string_view>
#include <utility>
#include <vector>

#include "explorer.hpp"

namespace resilience::exploring {

struct Check {
    std::string_view name;
    Exploration (*run)();
};

struct Part {
    std::string_view name;
    std::vector<Check> tests;
    std::vector<Check> mutants;
};

[[nodiscard]] inline std::vector<Part>& parts() {
    static std::vector<Part> all;
    return all;
}

struct Listed {
    explicit Listed(Part part) { parts().push_back(std::move(part)); }
};

// For a scene of a case that a header names as left open: holds if some interleaving reaches it, and if nothing else
// goes wrong in any.
template <class Scene>
Exploration reached() {
    Exploration found = explore<Scene>();
    if (found.complete && !found.noted) {
        found.failure = "the case that a header names was not reached";
        found.complete = false;
    }
    return found;
}

}  // namespace resilience::exploring
