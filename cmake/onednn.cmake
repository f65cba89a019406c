# Finds oneDNN as the wheels onednn-devel-cpu-gomp and onednn-cpu-gomp install it, strips one copy, and makes call stubs
# that load it on first use, so that programs without a matrix in them stay small. Sets MS_ONEDNN_LIBRARY when found.
set(MS_ONEDNN_LIBRARY "")
if(NOT MS_ONEDNN OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR NOT Python_EXECUTABLE)
  return()
endif()
execute_process(
  COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/find_onednn.py
  OUTPUT_VARIABLE MS_ONEDNN_FOUND OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE MS_ONEDNN_RESULT)
if(NOT MS_ONEDNN_RESULT EQUAL 0 OR MS_ONEDNN_FOUND STREQUAL "")
  message(STATUS "oneDNN: not installed, building with the portable kernels only")
  return()
endif()
list(GET MS_ONEDNN_FOUND 0 MS_ONEDNN_INCLUDE)
list(GET MS_ONEDNN_FOUND 1 MS_ONEDNN_LIBRARY)
list(SUBLIST MS_ONEDNN_FOUND 2 -1 MS_ONEDNN_LICENCES)
message(STATUS "oneDNN: ${MS_ONEDNN_LIBRARY}")

set(MS_ONEDNN_STRIPPED ${CMAKE_CURRENT_BINARY_DIR}/libdnnl.so.3)
if(NOT EXISTS ${MS_ONEDNN_STRIPPED} OR ${MS_ONEDNN_LIBRARY} IS_NEWER_THAN ${MS_ONEDNN_STRIPPED})
  execute_process(COMMAND ${CMAKE_STRIP} --strip-unneeded -o ${MS_ONEDNN_STRIPPED} ${MS_ONEDNN_LIBRARY}
    COMMAND_ERROR_IS_FATAL ANY)
endif()
set(MS_ONEDNN_STUBS ${CMAKE_CURRENT_BINARY_DIR}/onednn_stubs.cc)
execute_process(
  COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/onednn_stubs.py
    ${CMAKE_NM} ${MS_ONEDNN_LIBRARY} ${MS_ONEDNN_STUBS}
  COMMAND_ERROR_IS_FATAL ANY)
