# The warnings every target of ours is compiled with.
add_library(millstream_warnings INTERFACE)
target_compile_options(millstream_warnings INTERFACE -Wall -Wextra -Wshadow)
