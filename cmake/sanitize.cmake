# -DMS_SANITIZE=ON: AddressSanitizer and UndefinedBehaviorSanitizer for everything; the first finding ends the process.
if(MS_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1")
  set(CMAKE_C_FLAGS_RELEASE "-O1")
endif()
# -DMS_FUZZ=ON: each edge of the program tells that it was passed, by a call; programs other than the fuzzer take the function
# from here, which does nothing.
if(MS_FUZZ)
  add_compile_options(-fsanitize-coverage=trace-pc)
  add_library(millstream_untraced STATIC tests/fuzz/untraced.cc)
  link_libraries(millstream_untraced)
endif()
