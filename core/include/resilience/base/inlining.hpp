#pragma once

// Which engine functions must melt into the caller, and which must stay out of its way.
//
// The way in of a call is plain recursion over the stages; it costs what hand-written code costs only when every step
// of it is inlined. Forced inlining is left off without optimisation and under sanitizers, where it only costs build
// time.

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESILIENCE_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESILIENCE_SANITIZED 1
#endif

#if defined(__OPTIMIZE__) && !defined(RESILIENCE_SANITIZED)
#define RESILIENCE_HOT [[gnu::always_inline]] inline
#else
#define RESILIENCE_HOT inline
#endif
#define RESILIENCE_COLD [[gnu::noinline, gnu::cold]]
