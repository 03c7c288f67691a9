# Compiler, linker, sanitizers and caching: everything that holds for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 0)  # one unit a room: fewest header parses on two cores
if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
endif()
# -g1: line tables are what a backtrace needs; full debug info doubles link time. -Og takes GCC as
# long as -O0, since what it inlines need not be written out, and the tests run faster. For clang
# -Og is -O1, which takes it twice as long.
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
else()
  set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

set(CLOUDOS_SANITIZE "" CACHE STRING "Comma-separated sanitizers, e.g. address,undefined")
option(CLOUDOS_CCACHE "Use ccache where found" ON)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
                    -Winvalid-pch $<$<BOOL:${PROJECT_IS_TOP_LEVEL}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # GCC's warnings are those we keep to.
  add_compile_options(-Wno-unknown-warning-option -Wno-error)
endif()
# libvirt and our own code both rely on deterministic cleanup order, never on aliasing tricks.
add_compile_options(-fno-strict-aliasing)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-fstack-protector-strong)
endif()
# A fifth of GCC's time on a room goes into collecting its garbage. Where two units of a gigabyte
# more fit into memory, it is kept.
cmake_host_system_information(RESULT cloudos_memory_mib QUERY TOTAL_PHYSICAL_MEMORY)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND cloudos_memory_mib GREATER 8000)
  add_compile_options("SHELL:--param ggc-min-heapsize=1000000")
endif()
if(CLOUDOS_SANITIZE)
  add_compile_options(-fsanitize=${CLOUDOS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CLOUDOS_SANITIZE})
  # GCC 12 reports false "maybe uninitialized" and "restrict" under its own instrumentation.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict)
  if(CLOUDOS_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Boost.Asio's fences stand beside locks that ThreadSanitizer does see.
    add_compile_options(-Wno-tsan)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer)
endif()

if(CLOUDOS_CCACHE)
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${CCACHE_PROGRAM})
    if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    else()
      add_compile_options(-fpch-preprocess)
    endif()
  endif()
endif()
find_program(MOLD_PROGRAM mold)
find_program(LLD_PROGRAM ld.lld)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
elseif(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
