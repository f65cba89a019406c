# The warnings every target of ours is compiled with.
add_library(millstream_warnings INTERFACE)
target_compile_options(millstream_warnings INTERFACE -Wall -Wextra -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 warns of its own std::string concatenation (gcc bug 105651).
  target_compile_options(millstream_warnings INTERFACE -Wno-restrict)
endif()
