# One CMake target per room, one test executable per suite, one function per kind of target.

set(CLOUDOS_PCH_HEADERS
    <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <cstring> <functional>
    <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread>
    <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
set(CLOUDOS_ROOT ${PROJECT_SOURCE_DIR}/libcloudos)

# Clean builds with clang also parse our public headers once for all: what every room includes, and
# all of them for what stands above the rooms. Where files are edited that would rebuild everything
# for a change in any of them, and hide an #include that is missing.
set(CLOUDOS_PCH_ROOMS)
set(CLOUDOS_PCH_CLOUD)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(CLOUDOS_PCH_ROOMS <filesystem> <cloudos/context.hpp> <cloudos/log.hpp> <cloudos/metrics.hpp>
                        <cloudos/random.hpp> <cloudos/store.hpp>)
  set(CLOUDOS_PCH_CLOUD <filesystem> <cloudos/cloud.hpp>)
endif()

# The target that compiles the precompiled headers the rooms share. Executables get -fPIE and would
# silently drop a -fPIC header, so they have one of their own; so have the users of json.
function(cloudos_pch name kind)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES" ${ARGN})
  set(carrier ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  if(ARG_SOURCES)
    add_executable(${name} ${ARG_SOURCES})
  elseif(kind STREQUAL "EXECUTABLE")
    file(GENERATE OUTPUT ${carrier} CONTENT "// Carries ${name}.\nint main() {}\n")
    add_executable(${name} ${carrier})
  else()
    file(GENERATE OUTPUT ${carrier} CONTENT "// Carries ${name}.\n")
    add_library(${name} STATIC ${carrier})
  endif()
  target_link_libraries(${name} PRIVATE fmt::fmt nlohmann_json::nlohmann_json
                        $<TARGET_NAME_IF_EXISTS:doctest::doctest> Threads::Threads)
  target_include_directories(${name} PRIVATE ${CLOUDOS_ROOT}/include)
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
endfunction()

# cloudos_room(store DEPS base LIBS PkgConfig::LMDB [PCH json])
#   DEPS  the rooms this one may include and link: the table of rooms, enforced by the linker
#   LIBS  third-party libraries that only this room sees
#   WITHOUT  a pattern of source files that this build leaves out
#   FOLDER, ONLY  for a room that is two targets: its folder, and which of its files these are
function(cloudos_room name)
  cmake_parse_arguments(ARG "" "PCH;WITHOUT;FOLDER;ONLY" "DEPS;LIBS" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CLOUDOS_ROOT}/${ARG_FOLDER}/*.cpp)
  if(ARG_WITHOUT)
    list(FILTER sources EXCLUDE REGEX ${ARG_WITHOUT})
  endif()
  if(ARG_ONLY)
    list(FILTER sources INCLUDE REGEX ${ARG_ONLY})
  endif()
  add_library(cloudos_${name} STATIC ${sources})
  target_include_directories(cloudos_${name} PUBLIC ${CLOUDOS_ROOT}/include ${CLOUDOS_ROOT})
  list(TRANSFORM ARG_DEPS PREPEND cloudos_)
  target_link_libraries(cloudos_${name} PUBLIC fmt::fmt Threads::Threads ${ARG_DEPS}
                        PRIVATE ${ARG_LIBS})
  if(ARG_PCH)
    target_precompile_headers(cloudos_${name} REUSE_FROM cloudos_pch_${ARG_PCH})
  else()
    target_precompile_headers(cloudos_${name} REUSE_FROM cloudos_pch_std)
  endif()
endfunction()

# What a program of tests is compiled with. Its code runs once and is a half of all there is to
# compile: unoptimised, and with asserts that do not each catch what is thrown (the case does), it
# takes a fifth less.
function(cloudos_test_flags target)
  target_compile_definitions(${target} PRIVATE DOCTEST_CONFIG_SUPER_FAST_ASSERTS)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)
endfunction()

# cloudos_suite(store DEPS store records): test_<name> from tests/<name>/*.cpp, known to ctest.
# ENDS_TOGETHER: whatever ends it, what it started ends too (tests/support/end_together.cpp).
function(cloudos_suite name)
  cmake_parse_arguments(ARG "ENDS_TOGETHER" "TIMEOUT;WITHOUT" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*.cpp)
  if(ARG_WITHOUT)
    list(FILTER sources EXCLUDE REGEX ${ARG_WITHOUT})
  endif()
  add_executable(test_${name} ${sources} $<TARGET_OBJECTS:cloudos_test_main>)
  if(ARG_ENDS_TOGETHER)
    target_sources(test_${name} PRIVATE $<TARGET_OBJECTS:cloudos_end_together>)
  endif()
  list(TRANSFORM ARG_DEPS PREPEND cloudos_)
  target_link_libraries(test_${name} PRIVATE doctest::doctest nlohmann_json::nlohmann_json
                        ${ARG_DEPS} ${ARG_LIBS})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  cloudos_test_flags(test_${name})
  target_precompile_headers(test_${name} REUSE_FROM cloudos_pch_test)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()

# cloudos_program(cloudosd SOURCES ... DEPS cloud rest LIBS cloudos_asio [OWN_HEADERS]): an executable
# in build/bin. OWN_HEADERS: its flags are others than those of the precompiled headers.
function(cloudos_program name)
  cmake_parse_arguments(ARG "OWN_HEADERS" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(CLOUDOS_PCH_CLOUD AND NOT ARG_OWN_HEADERS)
    target_precompile_headers(${name} REUSE_FROM cloudos_pch_program)
  endif()
  list(TRANSFORM ARG_DEPS PREPEND cloudos_)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()
