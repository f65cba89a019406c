# The Python binding `_runtime`: nanobind for the cold parts, the CPython C interface for the hot path.
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
  OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT COMMAND_ERROR_IS_FATAL ANY)
find_package(nanobind CONFIG REQUIRED)
file(GLOB MS_BINDING_SOURCES CONFIGURE_DEPENDS runtime/bindings/*.cc)
nanobind_add_module(_runtime NB_STATIC NOMINSIZE ${MS_BINDING_SOURCES} ${MS_OBJECTS})
target_include_directories(_runtime PRIVATE runtime)
target_link_libraries(_runtime PRIVATE ${MS_LINK})
target_compile_options(_runtime PRIVATE -Wall -Wextra)
set_target_properties(_runtime PROPERTIES INSTALL_RPATH "$ORIGIN" BUILD_RPATH "$ORIGIN")
install(TARGETS _runtime LIBRARY DESTINATION .)
