# Finds the Python to build for, as `Python_EXECUTABLE`. Without a binding, any Python 3 that can look for oneDNN will do.
if(MS_BINDING)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
else()
  find_package(Python 3 COMPONENTS Interpreter)
endif()
