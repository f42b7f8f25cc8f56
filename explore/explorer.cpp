#include "explorer.hpp"

#include <ucontext.h>

#include <algorithm>
#include <csetjmp>
#include <memory>
#include <resilience/measure/striped_counters.hpp>
#include <unordered_map>
#include <vector>

#include "explorer_atomics.hpp"
#include "scene_memory.hpp"

namespace resilience::exploring {
namespace {

constexpr int most_threads = 4;
constexpr std::size_t stack_size = std::size_t{256} * 1024;

// A thread of the scene, and what its next operation waits for.
struct Thread {
    std::unique_ptr<unsigned char[]> stack = std::make_unique<unsigned char[]>(stack_size);
    ucontext_t context{};
    jmp_buf first{};  // at the bottom of its stack, before the body
    jmp_buf here{};   // where it handed over
    bool done = false;
    std::uint64_t seen = 0;
    std::uint64_t forgotten = 0;
    const ExplorerMutex* wanted = nullptr;
    const std::uint64_t* count = nullptr;
    std::uint64_t count_seen = 0;
};

// Switching by ucontext asks the kernel for the signal mask each time. So it only makes the stacks; from then on
// _setjmp and _longjmp, which do not, go from one stack to the other. Nothing is unwound by that: the frames stay.
class Explorer {
  public:
    Exploration explore(const Program& program, std::uint64_t bound, States states);

    void hand_over(const ExplorerMutex* wanted, const std::uint64_t* count, std::uint64_t seen);
    [[nodiscard]] Thread* running() noexcept { return running_ < 0 ? nullptr : &thread(running_); }
    [[nodiscard]] int running_thread() const noexcept { return running_; }
    void fail(const char* what) {
        if (failure_ == nullptr) failure_ = what;
    }
    void note() { noted_ = true; }
    void lock(const ExplorerMutex& mutex) { held_.push_back(&mutex); }
    void unlock(const ExplorerMutex& mutex) { std::erase(held_, &mutex); }

  private:
    // A state on the path that is being explored.
    struct Node {
        std::uint64_t hash;
        Count interleavings = 0;
        std::array<int, most_threads> ready{};
        std::size_t ready_count = 0;
        std::size_t next = 0;  // of those that are ready
        [[nodiscard]] int taken() const { return ready.at(next - 1); }
    };

    [[nodiscard]] Thread& thread(int index) noexcept { return threads_[static_cast<std::size_t>(index)]; }
    [[nodiscard]] const Thread& thread(int index) const noexcept { return threads_[static_cast<std::size_t>(index)]; }

    static void begin_on_own_stack();
    void make_stacks();
    void restart();
    void resume(int index, jmp_buf& at);
    void go_on(int index) { resume(index, thread(index).here); }
    [[nodiscard]] bool can_go_on(const Thread& waiting) const;
    [[nodiscard]] std::uint64_t state_hash() const;
    void arrive(std::uint64_t hash);
    void leave();
    void go_to_top();
    void describe(Exploration& result) const;

    const Program* program_ = nullptr;
    void* scene_ = nullptr;
    std::array<Thread, most_threads> threads_;
    bool stacks_made_ = false;
    int running_ = -1;
    jmp_buf scheduler_{};
    const char* failure_ = nullptr;
    bool noted_ = false;
    std::vector<const ExplorerMutex*> held_;
    std::vector<Node> path_;
    bool at_top_ = false;  // the scene is in the last state of the path
    // How many interleavings follow a state; `under_way` while they are counted.
    std::unordered_map<std::uint64_t, Count> known_;
};

constexpr Count under_way = ~Count{0};

Explorer& explorer() {
    static Explorer one;
    return one;
}

void Explorer::begin_on_own_stack() {
    Explorer& self = explorer();
    // Every replay comes back here, whatever the body was doing.
    if (_setjmp(self.running()->first) == 0) _longjmp(self.scheduler_, 1);
    Explorer& again = explorer();
    again.program_->run(again.scene_, again.running_);
    again.running()->done = true;
    _longjmp(again.scheduler_, 1);
}

void Explorer::make_stacks() {
    for (running_ = 0; running_ < most_threads; ++running_) {
        Thread& made = thread(running_);
        getcontext(&made.context);
        made.context.uc_stack.ss_sp = made.stack.get();
        made.context.uc_stack.ss_size = stack_size;
        makecontext(&made.context, &Explorer::begin_on_own_stack, 0);
        if (_setjmp(scheduler_) == 0) setcontext(&made.context);
    }
    running_ = -1;
    held_.reserve(64);  // it grows while a scene runs, and must not do so in the scene's memory
    stacks_made_ = true;
}

void Explorer::resume(int index, jmp_buf& at) {
    running_ = index;
    // Parts that spread by thread see as many threads as there are.
    resilience::detail::thread_number = static_cast<std::uint32_t>(index) + 1;
    {
        const InsideScene inside;
        if (_setjmp(scheduler_) == 0) _longjmp(at, 1);
    }
    running_ = -1;
}

void Explorer::hand_over(const ExplorerMutex* wanted, const std::uint64_t* count, std::uint64_t seen) {
    Thread& waiting = *running();
    waiting.wanted = wanted;
    waiting.count = count;
    waiting.count_seen = seen;
    if (_setjmp(waiting.here) == 0) _longjmp(scheduler_, 1);
}

// A fresh scene, each thread before its first operation.
void Explorer::restart() {
    held_.clear();
    clear_scene_memory();
    resilience::detail::thread_number = 1;
    {
        const InsideScene inside;
        scene_ = program_->make(take_scene_memory(program_->size, cache_line));
    }
    for (int index = 0; index < program_->threads; ++index) {
        Thread& fresh = thread(index);
        fresh.done = false;
        fresh.seen = fresh.forgotten = 0;
        resume(index, fresh.first);
    }
}

bool Explorer::can_go_on(const Thread& waiting) const {
    if (waiting.done) return false;
    if (waiting.count != nullptr) return *waiting.count != waiting.count_seen;
    return std::ranges::find(held_, waiting.wanted) == held_.end();
}

std::uint64_t Explorer::state_hash() const {
    std::uint64_t hash = scene_memory_hash();
    for (int index = 0; index < program_->threads; ++index) {
        hash = mixed(hash, thread(index).done ? ~std::uint64_t{0} : thread(index).seen);
    }
    return hash;
}

// The scene is in a state that is not known yet.
void Explorer::arrive(std::uint64_t hash) {
    Node node{.hash = hash};
    bool all_done = true;
    for (int index = 0; index < program_->threads; ++index) {
        all_done = all_done && thread(index).done;
        if (can_go_on(thread(index))) node.ready.at(node.ready_count++) = index;
    }
    if (all_done) {
        const InsideScene inside;
        program_->check(scene_);
        node.interleavings = 1;
        at_top_ = false;  // the check may have changed the scene
    } else if (node.ready_count == 0) {
        fail("deadlock: no thread can go on");
    }
    known_.emplace(hash, under_way);
    path_.push_back(node);
}

void Explorer::leave() {
    const Node node = path_.back();
    path_.pop_back();
    known_[node.hash] = node.interleavings;
    if (!path_.empty()) path_.back().interleavings += node.interleavings;
    at_top_ = false;
}

void Explorer::go_to_top() {
    if (at_top_) return;
    restart();
    for (std::size_t depth = 0; depth + 1 < path_.size(); ++depth) {
        go_on(path_[depth].taken());
    }
    at_top_ = true;
}

void Explorer::describe(Exploration& result) const {
    result.failure = failure_;
    for (const Node& node : path_) {
        if (node.next > 0) result.schedule += static_cast<char>('A' + node.taken());
    }
}

Exploration Explorer::explore(const Program& program, std::uint64_t bound, States states) {
    if (!stacks_made_) make_stacks();
    program_ = &program;
    failure_ = nullptr;
    noted_ = false;
    path_.clear();
    known_.clear();
    Exploration result;
    restart();
    at_top_ = true;
    arrive(state_hash());
    while (!path_.empty() && failure_ == nullptr && known_.size() <= bound) {
        if (path_.back().next == path_.back().ready_count) {
            result.interleavings = path_.back().interleavings;
            leave();
            continue;
        }
        go_to_top();
        ++path_.back().next;
        go_on(path_.back().taken());
        result.longest = std::max(result.longest, path_.size());
        if (failure_ != nullptr) break;
        const std::uint64_t hash = state_hash();
        const auto found = states == States::merged ? known_.find(hash) : known_.end();
        if (found == known_.end()) {
            arrive(hash);
        } else {
            if (found->second == under_way) fail("a thread goes round in circles");
            path_.back().interleavings += found->second;
            at_top_ = false;
        }
    }
    result.states = known_.size();
    result.noted = noted_;
    result.complete = path_.empty() && failure_ == nullptr;
    if (failure_ != nullptr) describe(result);
    return result;
}

}  // namespace

Exploration explore(const Program& program, std::uint64_t bound, States states) {
    return explorer().explore(program, bound, states);
}

void require(bool holds, const char* what) {
    if (!holds) explorer().fail(what);
}

void note_named_case() { explorer().note(); }

void before_operation(const ExplorerMutex* wanted, const std::uint64_t* count, std::uint64_t seen) {
    if (explorer().running() != nullptr) explorer().hand_over(wanted, count, seen);
}

int running_thread() noexcept { return explorer().running_thread(); }

void let_others_go_first() {
    before_operation();
    has_seen(0);
}

void wait_for_change_of(const std::uint64_t& count, std::uint64_t seen) {
    has_seen(seen);  // it decides whether the thread can go on
    before_operation(nullptr, &count, seen);
    has_seen(count);
}

void has_seen(std::uint64_t value) {
    if (Thread* const thread = explorer().running()) thread->seen = mixed(thread->seen + 1, value);
}

void forget_what_was_seen() {
    if (Thread* const thread = explorer().running()) thread->seen = mixed(0, ++thread->forgotten);
}

void has_locked(const ExplorerMutex& mutex) {
    if (explorer().running() == nullptr) return;
    explorer().lock(mutex);
    has_seen(scene_memory_hash());
}

void has_unlocked(const ExplorerMutex& mutex) {
    if (explorer().running() == nullptr) return;
    explorer().unlock(mutex);
    has_seen(0);
}

}  // namespace resilience::exploring
