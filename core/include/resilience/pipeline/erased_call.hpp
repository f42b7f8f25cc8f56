#pragma once

// A guarded function without its type: what AnyPipeline hands through its one indirect call.
//
// The caller keeps the typed result in a frame of its own; the call machine sees an ErasedResult, which knows how the
// default classification judges it and, for classifiers that were told the type, where the result is.

#include <cstdint>
#include <memory>
#include <optional>
#include <resilience/base/call_context.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/verdict.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/execute_or.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <resilience/pipeline/slot.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1::detail {

// One address for each type. The addresses differ between libraries that hide the type from each other.
using TypeMark = const char*;
template <class T>
inline constexpr char type_mark = 0;

template <class... Types>
[[nodiscard]] constexpr bool is_one_of(TypeMark type) noexcept {
    return ((type == &type_mark<Types>) || ...);
}

// How the function ended, by the default classification.
enum class ErasedEnd : std::uint8_t { success, failure, rejection };

struct ErasedCall {
    ErasedEnd (*run)(void* callee, CallContext& context);  // throws what the function throws
    Rejection (*rejection)(const void* callee);            // after ErasedEnd::rejection
    void* callee;
    const void* result;  // where it is when the function has returned
    TypeMark type;
};

// `Known` are the types that classifiers may be asked about.
template <class... Known>
struct ErasedResult {
    const ErasedCall* call;
    ErasedEnd end;
};

template <class... Known>
struct Judged<ErasedResult<Known...>> {
    using Result = ErasedResult<Known...>;

    template <class Classifier>
    [[nodiscard]] static constexpr bool accepted_by() {
        return (accepts<Classifier, Known>() && ...);
    }
    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static Verdict by(const Classifier& classifier, const Result& result) {
        if constexpr (std::same_as<Classifier, DefaultClassifier>) {
            return Verdict::of(result.end == ErasedEnd::success ? Outcome::success : Outcome::failure);
        } else {
            Verdict verdict = Verdict::of(Outcome::success);
            const TypeMark type = result.call->type;
            if (type == &type_mark<NoValue>) {
                verdict = judge_value(classifier, NoValue{});
            } else {
                (void)((type == &type_mark<Known> &&
                        (verdict = judge_value(classifier, *static_cast<const Known*>(result.call->result)), true)) ||
                       ...);
            }
            return verdict;
        }
    }
    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static std::optional<Rejection> rejection_inside(const Result& result) {
        if (result.end != ErasedEnd::rejection) [[likely]]
            return std::nullopt;
        // A classifier that judges this type whole has the first word.
        if (((result.call->type == &type_mark<Known> && JudgesResult<Classifier, Known>) || ...)) return std::nullopt;
        return result.call->rejection(result.call->callee);
    }
};

// The typed end of an erased call; lives in the caller's frame and borrows the function.
template <class Function>
class TypedCall {
    using Raw = RawResult<Function>;
    using Result = StoredResult<Raw>;

  public:
    explicit TypedCall(Function& function) noexcept
        : function_(std::addressof(function)),
          erased_{.run = run,
                  .rejection = rejection,
                  .callee = this,
                  .result = std::addressof(slot_.value()),
                  .type = &type_mark<Result>} {}
    TypedCall(const TypedCall&) = delete;
    TypedCall& operator=(const TypedCall&) = delete;

    [[nodiscard]] const ErasedCall& erased() const noexcept { return erased_; }
    // After a run that ended with an answer.
    [[nodiscard]] Result& result() noexcept { return slot_.value(); }

  private:
    static ErasedEnd run(void* callee, CallContext& context) {
        auto& self = *static_cast<TypedCall*>(callee);
        self.slot_.clear();  // the answer of an attempt before
        if constexpr (std::is_void_v<Raw>) {
            call_function(*self.function_, context);
            self.slot_.put_value([] { return NoValue{}; });
        } else {
            self.slot_.put_value([&]() -> decltype(auto) { return call_function(*self.function_, context); });
        }
        const Result& result = self.slot_.value();
        if (detail::rejection_inside<DefaultClassifier>(result)) return ErasedEnd::rejection;
        const Verdict verdict = judge_value(DefaultClassifier{}, result);
        return verdict.result == CallResult::success ? ErasedEnd::success : ErasedEnd::failure;
    }
    static Rejection rejection(const void* callee) {
        return *detail::rejection_inside<DefaultClassifier>(static_cast<const TypedCall*>(callee)->slot_.value());
    }

    Function* function_;
    Slot<Result> slot_;
    ErasedCall erased_;
};

}  // namespace resilience::inline v1::detail
