#include "hypervisor/contract.hpp"
#include "support/capture.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>

using namespace cloudos;
using namespace cloudos::hypervisor;

namespace cloudos::test {
namespace {

const ServerId kFirst{"0192f0c1-8a00-7000-8000-00000000000a"};
const ServerId kSecond{"0192f0c1-8a00-7000-8000-00000000000b"};
const ServerId kNobody{"0192f0c1-8a00-7000-8000-0000000000ff"};
const ServerId kForeign{"0192f0c1-8a00-7000-8000-0000000000ee"};

PowerState power_of(Driver& driver, const ServerId& id) {
  const auto states = driver.list(id);
  REQUIRE(states);
  REQUIRE(states->size() == 1);
  CHECK(states->front().id == id);
  return states->front().power;
}

bool is_listed(Driver& driver, const ServerId& id) {
  const auto states = driver.list();
  REQUIRE(states);
  return std::any_of(states->begin(), states->end(), [&](const auto& s) { return s.id == id; });
}

/// One that needs nothing of the host.
NicSpec spare_nic() {
  NicSpec nic;
  nic.port = PortId{"spare"};
  nic.mac = "fa:16:3e:00:00:77";
  return nic;
}

void check_interfaces(const DriverUnderTest& under_test) {
  Driver& driver = under_test.driver;
  const NicSpec nic = spare_nic();
  const auto gone = [&](const std::string& mac) {
    const auto left = driver.detach_interface(kFirst, mac);
    REQUIRE_OK(left);
    return *left == Detached::Gone;
  };
  INFO("a domain nobody defined, and one that is off");
  CHECK(driver.attach_interface(kFirst, nic));
  CHECK(gone(nic.mac));
  REQUIRE_OK(driver.define(small_domain(kFirst.value, under_test.folder)));
  CHECK(driver.attach_interface(kFirst, nic));
  CHECK(gone(nic.mac));

  INFO("a guest that runs");
  REQUIRE_OK(driver.start(kFirst));
  NicSpec broken = nic;
  broken.mac = "fa:16:3e:00:00";
  const auto refused = driver.attach_interface(kFirst, broken);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::InvalidArgument);
  REQUIRE_OK(driver.attach_interface(kFirst, nic));
  CHECK_MESSAGE(driver.attach_interface(kFirst, nic), "it is there already");
  CHECK(gone("fa:16:3e:00:00:78"));
  // One without an operating system need not answer; the power switch is answer enough.
  (void)gone(nic.mac);
  CHECK_MESSAGE(driver.detach_interface(kFirst, nic.mac), "it was asked already");
  REQUIRE_OK(driver.stop(kFirst, StopMode::Hard));
  CHECK(gone(nic.mac));
  REQUIRE_OK(driver.start(kFirst));
  CHECK_MESSAGE(gone(nic.mac), "an interface that was plugged in came back with the next start");
  REQUIRE_OK(driver.destroy(kFirst));
}

void check_unknown_domains(Driver& driver) {
  INFO("a domain nobody defined");
  const auto started = driver.start(kNobody);
  REQUIRE_FALSE(started);
  CHECK(started.error().code == ErrorCode::NotFound);
  CHECK(driver.stop(kNobody, StopMode::Graceful));
  CHECK(driver.stop(kNobody, StopMode::Hard));
  CHECK(driver.destroy(kNobody));
  const auto only = driver.list(kNobody);
  REQUIRE(only);
  CHECK(only->empty());
}

void check_life(const DriverUnderTest& under_test) {
  Driver& driver = under_test.driver;
  DomainSpec spec = small_domain(kFirst.value, under_test.folder);
  spec.task = "task-1";
  REQUIRE_OK(driver.define(spec));
  CHECK(power_of(driver, kFirst) == PowerState::Shutdown);
  spec.task = "task-2";
  REQUIRE_OK(driver.define(spec));
  auto states = driver.list(kFirst);
  REQUIRE(states);
  CHECK(states->at(0).task == "task-2");

  REQUIRE_OK(driver.define(small_domain(kSecond.value, under_test.folder)));
  REQUIRE_OK(driver.start(kFirst));
  CHECK(power_of(driver, kFirst) == PowerState::Running);
  CHECK(power_of(driver, kSecond) == PowerState::Shutdown);
  CHECK(driver.start(kFirst));
  CHECK(driver.define(spec));
  CHECK(power_of(driver, kFirst) == PowerState::Running);

  REQUIRE_OK(driver.stop(kFirst, StopMode::Hard));
  CHECK(power_of(driver, kFirst) == PowerState::Shutdown);
  CHECK(driver.stop(kFirst, StopMode::Hard));
  CHECK(driver.stop(kFirst, StopMode::Graceful));

  REQUIRE_OK(driver.start(kFirst));
  CHECK(is_listed(driver, kSecond));
  REQUIRE_OK(driver.destroy(kFirst));
  CHECK_FALSE(is_listed(driver, kFirst));
  CHECK(driver.destroy(kFirst));
  REQUIRE_OK(driver.destroy(kSecond));
  CHECK_FALSE(is_listed(driver, kSecond));
}

void check_foreign_domains(const DriverUnderTest& under_test) {
  Driver& driver = under_test.driver;
  under_test.add_foreign(kForeign);
  const std::pair<const char*, std::function<Result<void>()>> rows[] = {
      {"define", [&] { return driver.define(small_domain(kForeign.value, under_test.folder)); }},
      {"start", [&] { return driver.start(kForeign); }},
      {"graceful stop", [&] { return driver.stop(kForeign, StopMode::Graceful); }},
      {"hard stop", [&] { return driver.stop(kForeign, StopMode::Hard); }},
      {"destroy", [&] { return driver.destroy(kForeign); }},
      {"attach interface", [&] { return driver.attach_interface(kForeign, spare_nic()); }},
      {"detach interface",
       [&]() -> Result<void> {
         CLOUDOS_CHECK(driver.detach_interface(kForeign, spare_nic().mac));
         return Result<void>();
       }},
  };
  for (const auto& [what, call] : rows) {
    CAPTURE_BOUND(what);
    const auto result = call();
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::Conflict);
    CHECK(under_test.foreign_lives(kForeign));
  }
  CHECK_FALSE(is_listed(driver, kForeign));
  const auto only = driver.list(kForeign);
  REQUIRE(only);
  CHECK(only->empty());
}

void check_disks(const DriverUnderTest& under_test) {
  Driver& driver = under_test.driver;
  const auto backing = under_test.folder / "base.raw";
  std::ofstream(backing) << std::string(2 << 20, 'x');
  struct Row {
    std::string what;
    DiskSpec disk;
    std::optional<ErrorCode> error;
  };
  const auto disk = [&](const char* name, std::filesystem::path base, std::string format,
                        std::uint64_t size) {
    return DiskSpec{under_test.folder / "disks" / name, std::move(base), std::move(format), size};
  };
  const Row rows[] = {
      {"over a base, its size", disk("a", backing, "raw", 0), {}},
      {"again: kept", disk("a", backing, "raw", 0), {}},
      {"over a base, larger", disk("b", backing, "raw", 8 << 20), {}},
      {"over an ISO", disk("iso", backing, "iso", 0), {}},
      {"blank", disk("c", {}, "", 1 << 20), {}},
      {"smaller than the base", disk("d", backing, "raw", 1 << 20), ErrorCode::InvalidArgument},
      {"blank without a size", disk("e", {}, "", 0), ErrorCode::InvalidArgument},
      {"base is gone", disk("f", under_test.folder / "none", "raw", 0), ErrorCode::NotFound},
      {"QEMU's name of a format", disk("vpc", backing, "vpc", 0), ErrorCode::InvalidArgument},
      {"larger than any disk", disk("k", {}, "", ~std::uint64_t{0}), ErrorCode::InvalidArgument},
      {"base with a long path", disk("l", "/" + std::string(1'100, 'x'), "raw", 0),
       ErrorCode::InvalidArgument},
      {"no format", disk("g", backing, "", 0), ErrorCode::InvalidArgument},
      {"made-up format", disk("h", backing, "raw,x=y", 0), ErrorCode::InvalidArgument},
      {"relative path", {"x", backing, "raw", 0}, ErrorCode::InvalidArgument},
      {"relative base", disk("i", "base.raw", "raw", 0), ErrorCode::InvalidArgument},
      {"line break in a path", disk("j\nk", backing, "raw", 0), ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto made = driver.make_disk(row.disk);
    CHECK(made.has_value() == !row.error.has_value());
    if (!made && row.error) CHECK(made.error().code == *row.error);
  }
}

void check_refused_domains(const DriverUnderTest& under_test) {
  struct Row {
    std::string what;
    std::function<void(DomainSpec&)> spoil;
  };
  const Row rows[] = {
      {"no id", [](DomainSpec& s) { s.id = {}; }},
      {"id is no UUID", [](DomainSpec& s) { s.id.value = "../../etc/passwd"; }},
      {"id without dashes", [](DomainSpec& s) { s.id.value = std::string(32, 'a'); }},
      {"no processor", [](DomainSpec& s) { s.vcpus = 0; }},
      {"too many processors", [](DomainSpec& s) { s.vcpus = 4'000'000'000U; }},
      {"no memory", [](DomainSpec& s) { s.ram_mib = 0; }},
      {"more memory than exists", [](DomainSpec& s) { s.ram_mib = ~std::uint64_t{0}; }},
      {"too many disks", [](DomainSpec& s) { s.disks.resize(27, s.disks.front()); }},
      {"too many interfaces",
       [](DomainSpec& s) {
         s.nics.resize(29, NicSpec{{}, "52:54:00:00:00:01", "", 1500});
       }},
      {"bad MAC",
       [](DomainSpec& s) {
         s.nics.push_back({{}, "52:54:00:00:00:0g", "", 1500});
       }},
      {"MAC with markup",
       [](DomainSpec& s) {
         s.nics.push_back({{}, "52:54:00'/><evil", "", 1500});
       }},
      {"tap with markup",
       [](DomainSpec& s) {
         s.nics.push_back({{}, "52:54:00:00:00:01", "t'/><e", 1500});
       }},
      {"tap too long",
       [](DomainSpec& s) {
         s.nics.push_back({{}, "52:54:00:00:00:01", "sixteen-letters-", 1500});
       }},
      {"relative console", [](DomainSpec& s) { s.console_log = "console.log"; }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    DomainSpec spec = small_domain(kFirst.value, under_test.folder);
    row.spoil(spec);
    const auto defined = under_test.driver.define(spec);
    REQUIRE_FALSE(defined);
    CHECK(defined.error().code == ErrorCode::InvalidArgument);
  }
  CHECK_FALSE(is_listed(under_test.driver, kFirst));
}

void check_hostile_names(const DriverUnderTest& under_test) {
  std::string wide;
  for (int i = 0; i < 255; ++i) wide += "\xF0\x9F\x90\xA7";
  const std::pair<const char*, std::string> rows[] = {
      {"empty", ""},
      {"markup", "</title><devices/>&amp;<![CDATA[ '\"--><!--"},
      {"controls", std::string("a\nb\tc\x01\x7f\0d", 9)},
      {"not UTF-8", "caf\xe9 \xff\xfe"},
      {"no XML character", "a\xEF\xBF\xBE z\xEF\xBF\xBF"},
      {"255 wide characters", wide},
      {"a path", "../../../tmp/x"},
  };
  for (const auto& [what, name] : rows) {
    CAPTURE_BOUND(what);
    DomainSpec spec = small_domain(kFirst.value, under_test.folder);
    spec.name = name;
    spec.task = name;
    REQUIRE_OK(under_test.driver.define(spec));
    CHECK(power_of(under_test.driver, kFirst) == PowerState::Shutdown);
    REQUIRE_OK(under_test.driver.destroy(kFirst));
  }
}

}  // namespace

DomainSpec small_domain(std::string id, const std::filesystem::path& folder) {
  DomainSpec spec;
  spec.id = ServerId{std::move(id)};
  spec.name = "small";
  spec.ram_mib = 32;
  spec.disks.push_back({folder / (spec.id.value + ".qcow2"), {}, "", 1 << 20});
  return spec;
}

void check_driver_contract(const DriverUnderTest& under_test) {
  Driver& driver = under_test.driver;
  const auto host = driver.capabilities();
  REQUIRE_MESSAGE(host.has_value(), why(host));
  CHECK(host->vcpus > 0);
  CHECK(host->ram_mib > 0);
  CHECK(host->disk_gib >= host->disk_free_gib);
  CHECK_FALSE(host->host_name.empty());
  CHECK(host->cpu_info.starts_with("{\"arch\":"));
  for (const ServerId& id : {kFirst, kSecond}) {
    REQUIRE_OK(driver.make_disk(small_domain(id.value, under_test.folder).disks.front()));
  }
  check_unknown_domains(driver);
  check_disks(under_test);
  check_refused_domains(under_test);
  check_hostile_names(under_test);
  check_life(under_test);
  check_interfaces(under_test);
  check_foreign_domains(under_test);
}

TempFolder::TempFolder() {
  auto pattern = (std::filesystem::temp_directory_path() / "clhv-XXXXXX").native();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace cloudos::test
