# The library as others link it, and `cmake --install`.
#
#   cloudos::cloudos  libcloudos.so: exports what the public headers mark CLOUDOS_EXPORT
#   cloudos::static   libcloudos.a: the rooms in one archive
#   cloudos::c        libcloudos-c.so: the C interface, self-contained
#
# Each is made from the objects of the rooms, which are compiled once.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Raised by the release that breaks programs linked against the one before (see bindings/README.md).
set(CLOUDOS_SOVERSION 1)
set(CLOUDOS_C_SOVERSION 0)

set(cloudos_public_headers ${PROJECT_SOURCE_DIR}/libcloudos/include)

# The rooms that were configured, and every third-party library that one of them links.
get_property(cloudos_rooms DIRECTORY ${PROJECT_SOURCE_DIR}/libcloudos PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER cloudos_rooms EXCLUDE REGEX "^cloudos_pch_")
set(cloudos_objects)
set(cloudos_third_party)
foreach(room ${cloudos_rooms})
  get_target_property(type ${room} TYPE)
  if(NOT type STREQUAL "STATIC_LIBRARY")
    continue()
  endif()
  list(APPEND cloudos_objects $<TARGET_OBJECTS:${room}>)
  get_target_property(libraries ${room} LINK_LIBRARIES)
  list(APPEND cloudos_third_party ${libraries})
endforeach()
list(FILTER cloudos_third_party EXCLUDE REGEX "^cloudos_")
list(REMOVE_DUPLICATES cloudos_third_party)

# What each of them is called by pkg-config, and what finds it for a program that links the archive.
set(cloudos_static_dependencies)
set(cloudos_pc_requires)
set(cloudos_pc_libs)
function(cloudos_dependency library)
  cmake_parse_arguments(ARG "" "PC_LIBS" "PC;FIND" ${ARGN})
  if(NOT library IN_LIST cloudos_third_party)
    return()
  endif()
  list(JOIN ARG_FIND " " find)
  string(APPEND cloudos_static_dependencies "  ${find}\n")
  list(APPEND cloudos_pc_requires ${ARG_PC})
  list(APPEND cloudos_pc_libs ${ARG_PC_LIBS})
  list(REMOVE_ITEM cloudos_third_party_open ${library})
  foreach(name static_dependencies pc_requires pc_libs third_party_open)
    set(cloudos_${name} "${cloudos_${name}}" PARENT_SCOPE)
  endforeach()
endfunction()
function(cloudos_pkgconfig_dependency name)
  cloudos_dependency(PkgConfig::${name} PC ${ARGN}
                     FIND "pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET" ${ARGN} ")")
  foreach(name static_dependencies pc_requires pc_libs third_party_open)
    set(cloudos_${name} "${cloudos_${name}}" PARENT_SCOPE)
  endforeach()
endfunction()
set(cloudos_third_party_open ${cloudos_third_party})
cloudos_dependency(fmt::fmt PC fmt FIND "find_dependency(fmt)")
cloudos_dependency(OpenSSL::Crypto PC libcrypto FIND "find_dependency(OpenSSL)")
cloudos_dependency(OpenSSL::SSL PC libssl FIND "find_dependency(OpenSSL)")
cloudos_dependency(Threads::Threads PC_LIBS -pthread FIND "find_dependency(Threads)")
cloudos_dependency(nlohmann_json::nlohmann_json FIND "find_dependency(nlohmann_json)")
cloudos_pkgconfig_dependency(LMDB lmdb)
cloudos_pkgconfig_dependency(LIBCRYPT libcrypt)
cloudos_pkgconfig_dependency(ARGON2 libargon2)
cloudos_pkgconfig_dependency(PCRE2 libpcre2-8)
cloudos_pkgconfig_dependency(ZLIB zlib)
cloudos_pkgconfig_dependency(LIBVIRT libvirt libvirt-qemu)
cloudos_pkgconfig_dependency(NFTABLES libnftables)
if(cloudos_third_party_open)
  message(FATAL_ERROR "A room links ${cloudos_third_party_open}: cmake/CloudosInstall.cmake must "
                      "say how a program finds it (cloudos_dependency)")
endif()

# A program that has us as a subproject must see the targets that ours name.
if(NOT PROJECT_IS_TOP_LEVEL)
  foreach(library ${cloudos_third_party})
    if(TARGET ${library})
      get_target_property(made_in ${library} SOURCE_DIR)
      if(made_in STREQUAL CMAKE_CURRENT_SOURCE_DIR)
        set_target_properties(${library} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endforeach()
endif()

# cloudos_whole(cloudos_shared SHARED cloudos [sources...]): a library of every room's objects.
function(cloudos_whole name kind export_name)
  add_library(${name} ${kind} ${cloudos_objects} ${ARGN})
  add_library(cloudos::${export_name} ALIAS ${name})
  target_link_libraries(${name} PRIVATE ${cloudos_third_party})
  set_target_properties(${name} PROPERTIES
    EXPORT_NAME ${export_name} LINKER_LANGUAGE CXX UNITY_BUILD OFF
    ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  if(NOT PROJECT_IS_TOP_LEVEL)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endfunction()

cloudos_whole(cloudos_shared SHARED cloudos)
set_target_properties(cloudos_shared PROPERTIES OUTPUT_NAME cloudos
                      VERSION ${PROJECT_VERSION} SOVERSION ${CLOUDOS_SOVERSION})
set(cloudos_map ${PROJECT_SOURCE_DIR}/cmake/cloudos.map)
target_link_options(cloudos_shared PRIVATE LINKER:--version-script=${cloudos_map})
set_target_properties(cloudos_shared PROPERTIES LINK_DEPENDS ${cloudos_map})
cloudos_whole(cloudos_static STATIC static)
set_target_properties(cloudos_static PROPERTIES OUTPUT_NAME cloudos)
foreach(target cloudos_shared cloudos_static)
  target_compile_features(${target} INTERFACE cxx_std_20)
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${cloudos_public_headers}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
# No symbol may stay open: a program would find out at its own link, or worse, at its start.
if(NOT CLOUDOS_SANITIZE)
  target_link_options(cloudos_shared PRIVATE LINKER:--no-undefined)
endif()

# It has functions of every service; Python stands on it.
if(CLOUDOS_HAS_ALL)
  add_subdirectory(bindings/c)
endif()

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
if(CLOUDOS_HAS_ALL)
  add_subdirectory(bindings/python)
endif()

# ---- cmake --install ----------------------------------------------------------------------------

install(DIRECTORY ${cloudos_public_headers}/cloudos DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
install(TARGETS cloudos_shared EXPORT cloudos-shared-targets)
install(TARGETS cloudos_static EXPORT cloudos-static-targets)
set(pc_files cloudos)
if(CLOUDOS_HAS_ALL)
  install(TARGETS cloudos_c EXPORT cloudos-shared-targets)
  install(FILES bindings/c/cloudos.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  list(APPEND pc_files cloudos-c)
endif()
if(CLOUDOS_HAS_images)
  install(TARGETS cloudos cloudos-local cloudosd)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cloudos)
foreach(kind shared static)
  install(EXPORT cloudos-${kind}-targets NAMESPACE cloudos:: DESTINATION ${package_dir})
endforeach()
configure_package_config_file(cmake/cloudos-config.cmake.in
                              ${PROJECT_BINARY_DIR}/cloudos-config.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 every minor version may break.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cloudos-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cloudos-config.cmake
              ${PROJECT_BINARY_DIR}/cloudos-config-version.cmake DESTINATION ${package_dir})

# The .pc files find their prefix by where they lie, so that an installed tree may be moved.
file(RELATIVE_PATH pc_to_prefix /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
list(REMOVE_DUPLICATES cloudos_pc_requires)
list(JOIN cloudos_pc_requires ", " cloudos_pc_requires)
list(JOIN cloudos_pc_libs " " cloudos_pc_libs)
foreach(name ${pc_files})
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# ctypes looks beside the package first, then where the loader does.
if(CLOUDOS_HAS_ALL)
  install(DIRECTORY bindings/python/cloudos ${PROJECT_BINARY_DIR}/python/cloudos
          DESTINATION lib/python3/dist-packages
          FILES_MATCHING PATTERN "*.py" PATTERN "*.pyi" PATTERN "py.typed"
          PATTERN "__pycache__" EXCLUDE)
endif()

# Whatever the programs bring: man pages, completions, units. Made at build time under share/.
install(DIRECTORY ${PROJECT_BINARY_DIR}/share/ DESTINATION ${CMAKE_INSTALL_DATADIR} OPTIONAL)

# The units name /usr/bin/cloudosd; an installation elsewhere names its own.
set(units)
if(CLOUDOS_HAS_images)
  set(units service socket)
endif()
foreach(unit ${units})
  install(CODE "
    file(READ \"${PROJECT_SOURCE_DIR}/apps/cloudosd/systemd/cloudosd.${unit}\" text)
    string(REPLACE \"/usr/bin/\" \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/\" text \"\${text}\")
    set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/cloudosd.${unit}\")
    message(STATUS \"Installing: \${to}\")
    file(WRITE \"\${to}\" \"\${text}\")")
endforeach()
