#pragma once

// What the breaker's conformance rows are run against: one table of steps, several ways to make the calls.
//
// A row says in calls, outcomes and moments what a breaker must do. `permits` asks the breaker itself and gives it
// every moment; `blocking` and `virtual_time` put it into a pipeline and make each call with that driver, so what holds
// for the policy is seen to hold through the call machine. A blocking call that is in flight occupies a thread of its
// own.

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {

using namespace resilience;
using namespace std::chrono_literals;

enum class SubjectKind : std::uint8_t { permits, blocking, virtual_time };
std::string_view to_string(SubjectKind kind);

// One breaker, one clock, and calls that are admitted now and finished later.
class Subject {
  public:
    static std::unique_ptr<Subject> make(SubjectKind kind, const CircuitBreakerConfig& config);
    virtual ~Subject() = default;

    using Call = std::size_t;
    struct Admitted {
        std::optional<Call> call;  // none: refused
        Rejection why;
        explicit operator bool() const { return call.has_value(); }
    };
    virtual Admitted admit() = 0;
    virtual void finish(Call call, CallResult result) = 0;
    virtual TimePoint now() const = 0;
    virtual void advance(Duration by) = 0;

    CircuitBreaker breaker;

  protected:
    explicit Subject(const CircuitBreakerConfig& config) : breaker("conformance", config) {}
};

// The words rows are written in. S, F, I and C are a call that is admitted and ends at once: success, failure, ignored,
// cancelled.
class Scenario {
  public:
    Scenario(SubjectKind kind, const CircuitBreakerConfig& config) : subject_(Subject::make(kind, config)) {}

    Scenario& run(std::string_view outcomes);     // "S F F I C"; each must be admitted
    Scenario& take(char outcome, Duration took);  // one call, which must be admitted and lasts that long
    Subject::Call begin();                        // must be admitted
    std::vector<Subject::Call> begin(int calls);
    void finish(Subject::Call call, char outcome);
    void finish(const std::vector<Subject::Call>& calls, char outcome);
    Rejection refused(RejectionReason reason);  // an acquire that must be refused for that reason
    void admitted() { finish(begin(), 'C'); }   // an acquire that must be granted; given back
    Scenario& advance(Duration by) {
        subject_->advance(by);
        return *this;
    }

    CircuitBreaker& breaker() { return subject_->breaker; }
    Subject& subject() { return *subject_; }
    TimePoint now() const { return subject_->now(); }
    CircuitState state() const { return subject_->breaker.state(now()); }
    CircuitBreakerStats stats() const { return subject_->breaker.stats(now()); }

    // Levers, at the scenario's own moment.
    void open() { breaker().open(now()); }
    void half_open() { breaker().half_open(now()); }
    void force_open() { breaker().force_open(now()); }
    void force_closed() { breaker().force_closed(now()); }
    void reset() { breaker().reset(now()); }
    void metrics_only() { breaker().metrics_only(now()); }
    void tick() { breaker().tick(now()); }

  private:
    std::unique_ptr<Subject> subject_;
};

struct Row {
    std::string id;
    CircuitBreakerConfig config;
    void (*steps)(Scenario&);
};

// Runs a row and checks that nothing was lost on the way.
void hold(const Row& row, SubjectKind kind);

struct RowOn {
    Row row;
    SubjectKind kind;
};
std::vector<RowOn> on_all_subjects(const std::vector<Row>& rows);
std::string name_of(const testing::TestParamInfo<RowOn>& info);  // "CB_19_blocking"

// "HO-fail k/n": k failures of n re-open, so n - k + 1 successes close. "HO-rate n" at 50 % is HO-fail n/2 of n.
constexpr CircuitBreakerConfig half_open_k_of_n(std::uint32_t k, std::uint32_t n) {
    return {.success_threshold = k, .timeout = 5s, .half_open_calls = n};
}
constexpr CircuitBreakerConfig half_open_failing_k_of_n(std::uint32_t k, std::uint32_t n) {
    return half_open_k_of_n(n - k + 1, n);
}
constexpr CircuitBreakerConfig half_open_strict(std::uint32_t n) { return half_open_k_of_n(n, n); }

}  // namespace conformance

// Defines the fixture `Suite` and runs every row of `rows` on every subject, as Conformance/Suite.holds/ID_SUBJECT.
#define CONFORMANCE_ROWS(Suite, rows)                                                                   \
    class Suite : public testing::TestWithParam<conformance::RowOn> {};                                 \
    TEST_P(Suite, holds) { hold(GetParam().row, GetParam().kind); }                                     \
    INSTANTIATE_TEST_SUITE_P(Conformance, Suite, testing::ValuesIn(conformance::on_all_subjects(rows)), \
                             conformance::name_of)
