# The libraries we stand on: all of them Debian's packages (cmake/install-packages has the list).
# A build without one of these links no library of its own, and Options that ask for it are answered
# with Unsupported and the option's name. Simulated drivers are always there.
option(CLOUDOS_WITH_LIBVIRT "Run real guests (libvirt, QEMU)" ON)
option(CLOUDOS_WITH_LINUXBRIDGE "Connect real guests (Linux bridges, libnftables)" ON)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(LIBCRYPT REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
if(CLOUDOS_HAS_images)
  pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
endif()
if(CLOUDOS_WITH_LIBVIRT AND CLOUDOS_HAS_compute)
  pkg_check_modules(LIBVIRT REQUIRED IMPORTED_TARGET libvirt libvirt-qemu)
endif()
if(CLOUDOS_WITH_LINUXBRIDGE AND CLOUDOS_HAS_networks)
  pkg_check_modules(NFTABLES REQUIRED IMPORTED_TARGET libnftables)
endif()

# The rest is for our programs and tests; a program that has us as a subproject needs none of it.
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
find_package(doctest REQUIRED)
find_package(Boost 1.74 REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)

# Boost 1.74's Asio compiles as C++20 only when these come first.
add_library(cloudos_asio INTERFACE)
target_link_libraries(cloudos_asio INTERFACE Boost::headers Threads::Threads OpenSSL::SSL)
target_compile_definitions(cloudos_asio INTERFACE BOOST_ASIO_NO_DEPRECATED
                           BOOST_BEAST_USE_STD_STRING_VIEW)
target_compile_options(cloudos_asio INTERFACE "SHELL:-include utility" "SHELL:-include optional")

add_library(cloudos_httplib INTERFACE)
target_link_libraries(cloudos_httplib INTERFACE PkgConfig::HTTPLIB OpenSSL::SSL OpenSSL::Crypto
                      Threads::Threads)
