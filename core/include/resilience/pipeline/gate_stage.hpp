#pragma once

// The stage of every policy that admits an attempt and is told how it ended: breaker, limiter, bulkhead, and users'
// own.
//
// A gate of your own needs no stage. Give it a permit and two functions and name it in a pipeline:
//
//     struct Maintenance {
//         struct Permit { void settle(const Step&) noexcept {} };
//         std::atomic<bool> on{false};
//         std::expected<Permit, Rejection> try_acquire(TimePoint, const CallContext&) noexcept {
//             if (!on) return Permit{};
//             return std::unexpected(Rejection{RejectionReason::shutting_down, PolicyKind::load_shedder,
//             "maintenance"});
//         }
//     };
//
// `try_acquire` must not throw, sleep or call back into the pipeline. `settle` is called exactly once per permit,
// unless the call is abandoned: then the permit's destructor is all that runs.

#include <concepts>
#include <expected>
#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/kept.hpp>
#include <resilience/pipeline/step.hpp>
#include <utility>

namespace resilience::inline v1 {

template <class Policy>
concept Gate = requires(Policy& policy, TimePoint now, const CallContext& context, typename Policy::Permit& permit,
                        const Step& step) {
    { policy.try_acquire(now, context) } -> std::convertible_to<std::expected<typename Policy::Permit, Rejection>>;
    permit.settle(step);
};

// How the engine reaches a policy. The primary template serves users' gates; the library's own policies have a file
// each in pipeline/gates/ which keeps a rejection from travelling through memory on the hot path.
template <class Policy>
struct GateOf {
    using Permit = std::expected<typename Policy::Permit, Rejection>;

    static bool enter(Policy& policy, TimePoint now, const CallContext& context, Permit& permit,
                      CallState& call) noexcept {
        permit = policy.try_acquire(now, context);
        if (permit) return true;
        call.refusal() = permit.error();
        return false;
    }
    static void leave(Permit& permit, const Step& step, const CallState&) noexcept { permit->settle(step); }
    static Permit no_permit() noexcept { return Permit(std::unexpect); }
};

namespace detail {

// The policy stands in the pipeline as it is, and its permit hears the verdict that travels outwards.
template <int Index>
struct PlainElement {
    template <class Driver>
    static auto& policy(Driver& driver) noexcept {
        return driver.template policy<Index>();
    }
    template <class Entrance, class Driver, class Answer>
    RESILIENCE_HOT static void leave(Driver& driver, Answer&, typename Entrance::Permit& permit, const Step& step) {
        Entrance::leave(permit, step, driver.call());
    }
};

template <class Policy, class Element, class InnerStage>
class GateStage {
    using Entrance = GateOf<Policy>;
    using Permit = typename Entrance::Permit;

  public:
    using Result = typename InnerStage::Result;

    template <class Driver>
    RESILIENCE_HOT Step start(Driver& driver, CallContext& context, TimePoint now) {
        Permit permit = Entrance::no_permit();
        if (!Entrance::enter(Element::policy(driver), now, context, permit, driver.call())) [[unlikely]] {
            return driver.call().turned_away(now);
        }
        const Step step = inner_.start(driver, context, now);
        if (!step.is_done()) [[unlikely]] {
            kept_.open(std::move(permit));
            return step;
        }
        Element::template leave<Entrance>(driver, inner_.answer(), permit, step);
        return step;
    }
    template <class Driver>
    RESILIENCE_COLD Step again(Driver& driver, CallContext& context, TimePoint now) {
        inner_.answer().clear();  // a refusal on the way in must not leave the answer of an earlier attempt behind
        return start(driver, context, now);
    }
    template <class Driver>
    Step poll(Driver& driver, TimePoint now) {
        const Step step = inner_.poll(driver, now);
        if (step.is_done()) {
            Element::template leave<Entrance>(driver, inner_.answer(), *kept_, step);
            kept_.close();
        }
        return step;
    }
    template <class Driver>
    void cancel(Driver& driver, TimePoint now, Cause cause) noexcept {
        inner_.cancel(driver, now, cause);
    }
    // The call will never end: the permit is dropped, which counts it as ignored.
    template <class Driver>
    void abandon(Driver& driver) noexcept {
        inner_.abandon(driver);
        kept_.close();
    }
    [[nodiscard]] auto& answer() noexcept { return inner_.answer(); }

  private:
    InnerStage inner_;
    Kept<Permit> kept_;
};

}  // namespace detail
}  // namespace resilience::inline v1
