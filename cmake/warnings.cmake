# Warnings are errors in our own targets only: whoever links Resilience never inherits them.
add_library(resilience_warnings INTERFACE)
target_compile_options(resilience_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Werror)
