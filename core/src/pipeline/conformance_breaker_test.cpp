// The three subjects of the breaker's conformance rows.

#include <condition_variable>
#include <expected>
#include <for_tests/origin.hpp>
#include <mutex>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <thread>
#include <utility>

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_breaker_test {

class Permits final : public Subject {
  public:
    explicit Permits(const CircuitBreakerConfig& config) : Subject(config) {}

    Admitted admit() override {
        auto permit = breaker.try_acquire(now_);
        if (!permit) return {.call = std::nullopt, .why = permit.error()};
        permits_.push_back(std::move(permit).value());
        return {.call = permits_.size() - 1, .why = {}};
    }
    void finish(Call call, CallResult result) override {
        if (result == CallResult::cancelled) {
            permits_[call] = CircuitBreaker::Permit();  // dropped: nobody says anything
        } else {
            permits_[call].settle(Verdict{.result = result}, now_);
        }
    }
    TimePoint now() const override { return now_; }
    void advance(Duration by) override { now_ = saturating_add(now_, by); }

  private:
    TimePoint now_ = for_tests::origin();
    std::vector<CircuitBreaker::Permit> permits_;
};

// What a call in a pipeline returns: a cell whose content is decided when the call ends.
using Cell = std::shared_ptr<CallResult>;
struct ReadCell {
    Verdict operator()(const Cell& cell) const { return {.result = *cell}; }
};

class Virtual final : public Subject {
  public:
    explicit Virtual(const CircuitBreakerConfig& config) : Subject(config) {}

    Admitted admit() override {
        auto call = std::make_unique<Running>();
        Running& running = *call;
        running.handle.emplace(time_.start(guarded_, [this, &running] {
            running.hold.emplace(time_.hold());
            return running.cell;
        }));
        if (running.handle->done()) return {.call = std::nullopt, .why = running.handle->answer().error()};
        calls_.push_back(std::move(call));
        return {.call = calls_.size() - 1, .why = {}};
    }
    void finish(Call call, CallResult result) override {
        *calls_[call]->cell = result;
        calls_[call]->hold->end();
        time_.advance(0ns);
        EXPECT_TRUE(calls_[call]->handle->done());
    }
    TimePoint now() const override { return time_.now(); }
    void advance(Duration by) override { time_.advance(by); }

  private:
    struct Running {
        Cell cell = std::make_shared<CallResult>(CallResult::ignored);
        std::optional<VirtualHold> hold;
        std::optional<VirtualCall<std::expected<Cell, Rejection>>> handle;
    };
    Pipeline<ClassifyWith<ReadCell>, CircuitBreaker> guarded_{classify(ReadCell{}), breaker};
    std::vector<std::unique_ptr<Running>> calls_;
    VirtualTime time_{1, for_tests::origin()};
};

class Blocking final : public Subject {
  public:
    explicit Blocking(const CircuitBreakerConfig& config) : Subject(config) {}
    ~Blocking() override {
        for (auto& call : calls_) call->end(CallResult::cancelled);
    }

    Admitted admit() override {
        auto call = std::make_unique<Running>();
        Running& running = *call;
        running.thread = std::jthread([this, &running] {
            const auto answer = guarded_.execute_in(time_, {}, {}, [&running] { return running.stay(); });
            if (!answer) running.refuse(answer.error());
        });
        if (const auto why = running.started()) return {.call = std::nullopt, .why = *why};
        calls_.push_back(std::move(call));
        return {.call = calls_.size() - 1, .why = {}};
    }
    void finish(Call call, CallResult result) override { calls_[call]->end(result); }
    TimePoint now() const override { return time_.now(); }
    void advance(Duration by) override { time_.advance(by); }

  private:
    struct Running {
        Cell stay() {
            std::unique_lock lock(mutex);
            is_running = true;
            changed.notify_all();
            changed.wait(lock, [this] { return is_ended; });
            return cell;
        }
        void refuse(const Rejection& rejection) {
            const std::scoped_lock lock(mutex);
            why = rejection;
            changed.notify_all();
        }
        std::optional<Rejection> started() {
            std::unique_lock lock(mutex);
            changed.wait(lock, [this] { return is_running || why; });
            return why;
        }
        void end(CallResult result) {
            {
                const std::scoped_lock lock(mutex);
                if (is_ended) return;
                *cell = result;
                is_ended = true;
                changed.notify_all();
            }
            thread.join();
        }

        std::mutex mutex;
        std::condition_variable changed;
        bool is_running = false;
        bool is_ended = false;
        std::optional<Rejection> why;
        Cell cell = std::make_shared<CallResult>(CallResult::ignored);
        std::jthread thread;
    };
    Pipeline<ClassifyWith<ReadCell>, CircuitBreaker> guarded_{classify(ReadCell{}), breaker};
    ManualTime time_{1, for_tests::origin()};
    std::vector<std::unique_ptr<Running>> calls_;
};

CallResult result_of_letter(char outcome) {
    switch (outcome) {
        case 'S':
            return CallResult::success;
        case 'F':
            return CallResult::failure;
        case 'I':
            return CallResult::ignored;
        default:
            EXPECT_EQ(outcome, 'C');
            return CallResult::cancelled;
    }
}

}  // namespace conformance_breaker_test

std::string_view to_string(SubjectKind kind) {
    switch (kind) {
        case SubjectKind::permits:
            return "permits";
        case SubjectKind::blocking:
            return "blocking";
        case SubjectKind::virtual_time:
            break;
    }
    return "virtual";
}

std::unique_ptr<Subject> Subject::make(SubjectKind kind, const CircuitBreakerConfig& config) {
    switch (kind) {
        case SubjectKind::permits:
            return std::make_unique<conformance_breaker_test::Permits>(config);
        case SubjectKind::blocking:
            return std::make_unique<conformance_breaker_test::Blocking>(config);
        case SubjectKind::virtual_time:
            break;
    }
    return std::make_unique<conformance_breaker_test::Virtual>(config);
}

Scenario& Scenario::run(std::string_view outcomes) {
    for (const char outcome : outcomes) {
        if (outcome != ' ') finish(begin(), outcome);
    }
    return *this;
}

Scenario& Scenario::take(char outcome, Duration took) {
    const Subject::Call call = begin();
    advance(took);
    finish(call, outcome);
    return *this;
}

Subject::Call Scenario::begin() {
    const auto admitted = subject_->admit();
    EXPECT_TRUE(admitted.call.has_value()) << admitted.why;
    // Rows go on after a failed expectation; a call that was never made must not be finished.
    if (!admitted.call) throw std::runtime_error("refused where the row admits");
    return *admitted.call;
}

std::vector<Subject::Call> Scenario::begin(int calls) {
    std::vector<Subject::Call> begun;
    for (int i = 0; i < calls; ++i) begun.push_back(begin());
    return begun;
}

void Scenario::finish(Subject::Call call, char outcome) {
    subject_->finish(call, conformance_breaker_test::result_of_letter(outcome));
}

void Scenario::finish(const std::vector<Subject::Call>& calls, char outcome) {
    for (const auto call : calls) finish(call, outcome);
}

Rejection Scenario::refused(RejectionReason reason) {
    const auto admitted = subject_->admit();
    if (admitted.call) throw std::runtime_error("admitted where the row refuses");
    EXPECT_EQ(admitted.why.reason, reason);
    EXPECT_EQ(admitted.why.kind, PolicyKind::circuit_breaker);
    EXPECT_EQ(admitted.why.policy, "conformance");
    return admitted.why;
}

void hold(const Row& row, SubjectKind kind) {
    Scenario scenario(kind, row.config);
    row.steps(scenario);
    const CircuitBreakerStats stats = scenario.stats();
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
}

std::vector<RowOn> on_all_subjects(const std::vector<Row>& rows) {
    std::vector<RowOn> all;
    for (const Row& row : rows) {
        for (const auto kind : {SubjectKind::permits, SubjectKind::blocking, SubjectKind::virtual_time}) {
            all.push_back({.row = row, .kind = kind});
        }
    }
    return all;
}

std::string name_of(const testing::TestParamInfo<RowOn>& info) {
    return info.param.row.id + "_" + std::string(to_string(info.param.kind));
}

}  // namespace conformance
