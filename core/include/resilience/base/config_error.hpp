#pragma once

// A configuration that is refused, with everything that is wrong with it.
//
//     ConfigProblems problems{"circuit breaker 'card_host'"};
//     problems.expect(config.buckets >= 1 && config.buckets <= 240, "buckets", "is 0; use 1 to 240");
//     problems.throw_if_any();

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

struct ConfigProblem {
    std::string field;    // the field's name as written in C++, or "name"
    std::string message;  // what is wrong and what would be right, without the field's name
};

// what() prints the subject and every problem, one a line, the field first.
class ConfigError : public std::invalid_argument {
  public:
    ConfigError(std::string subject, std::vector<ConfigProblem> problems);
    [[nodiscard]] const std::vector<ConfigProblem>& problems() const noexcept { return problems_; }

  private:
    std::vector<ConfigProblem> problems_;
};

// Collects problems while a configuration is read, so that all of them are reported at once.
class ConfigProblems {
  public:
    explicit ConfigProblems(std::string subject) : subject_(std::move(subject)) {}

    void add(std::string_view field, std::string message);
    void expect(bool holds, std::string_view field, std::string_view message) {
        if (!holds) add(field, std::string(message));
    }
    [[nodiscard]] bool any() const noexcept { return !problems_.empty(); }
    [[nodiscard]] const std::vector<ConfigProblem>& problems() const noexcept { return problems_; }
    void throw_if_any() const;  // throws ConfigError

  private:
    std::string subject_;
    std::vector<ConfigProblem> problems_;
};

}  // namespace resilience::inline v1
