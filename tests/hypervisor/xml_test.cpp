#include <doctest/doctest.h>

#include <fstream>

#include "hypervisor/console.hpp"
#include "hypervisor/contract.hpp"
#include "hypervisor/disk.hpp"
#include "hypervisor/domain_xml.hpp"
#include "hypervisor/host.hpp"
#include "hypervisor/process.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace cloudos::hypervisor;
using namespace std::chrono_literals;

TEST_CASE("text goes into XML escaped, and what XML cannot hold is replaced") {
  struct Row {
    std::string what;
    std::string text;
    std::string escaped;
  };
  const Row rows[] = {
      {"plain", "web-1", "web-1"},
      {"all five", "<>&'\"", "&lt;&gt;&amp;&apos;&quot;"},
      {"wide", "\xC3\xA9", "\xC3\xA9"},
      {"control", "a\x01z", "a\xEF\xBF\xBDz"},
      {"broken UTF-8", "a\xFFz", "a\xEF\xBF\xBDz"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(xml_escape(row.text) == row.escaped);
  }
}

TEST_CASE("the mark of a domain is read back as it was written, and nothing else is one") {
  const auto mark =
      read_mark("<server xmlns=\"u\" folder=\"f-1\" task=\"&lt;t&gt; &amp;\" console='/a b/c'/>");
  REQUIRE(mark);
  CHECK(mark->folder_id == "f-1");
  CHECK(mark->task == "<t> &");
  CHECK(mark->console_log == "/a b/c");
  CHECK(read_mark("<cloudos:server folder='f-2' task=''/>")->folder_id == "f-2");
  for (const char* text : {"", "<server/>", "<server folder=", "<other folder='x'/>",
                           "<server folder=''/>", "server folder='x'", "<serverfolder='x'/>"}) {
    CAPTURE(text);
    CHECK_FALSE(read_mark(text));
  }
}

TEST_CASE("the domain's XML names every format of the chain and never manages a tap") {
  auto spec = test::small_domain("0192f0c1-8a00-7000-8000-000000000001", "/d");
  spec.disks[0].backing = "/images/a&b";
  spec.disks[0].backing_format = "raw";
  spec.nics.push_back({PortId{"p"}, "52:54:00:00:00:01", "tap0", 1450});
  spec.nics.push_back({PortId{"q"}, "52:54:00:00:00:02", "", 1500});
  spec.console_log = "/d/console.log";
  const std::string xml = domain_xml(spec, "folder-1", "qemu");
  for (const char* part :
       {"<domain type='qemu'>",
        "<backingStore type='file'><format type='raw'/><source file='/images/a&amp;b'/>"
        "<backingStore/></backingStore>",
        "<target dev='tap0' managed='no'/>", "<mtu size='1450'/>", "<interface type='user'>",
        "<source path='/d/console.log' append='on'/>", "<on_reboot>restart</on_reboot>",
        "folder='folder-1'",
        "<name>cloudos-folder-1-0192f0c1-8a00-7000-8000-000000000001</name>"}) {
    CAPTURE(part);
    CHECK(xml.find(part) != std::string::npos);
  }
  CHECK(domain_xml(spec, "f", "kvm").find("host-model") != std::string::npos);
}

TEST_CASE("KVM is used only where the processor has it and the device opens") {
  test::TempFolder folder;
  const auto file = [&](const char* name, const char* text) {
    std::ofstream(folder.path() / name) << text;
    return folder.path() / name;
  };
  const auto with = file("with", "processor: 0\nflags\t\t: fpu vmx sse\n");
  const auto amd = file("amd", "flags\t\t: fpu svm\n");
  const auto without = file("without", "flags\t\t: fpu vmxx sse\nbugs: vmx\n");
  const auto device = file("kvm", "");
  CHECK(kvm_usable(with, device));
  CHECK(kvm_usable(amd, device));
  CHECK_FALSE(kvm_usable(without, device));
  CHECK_FALSE(kvm_usable(with, folder.path() / "none"));
  CHECK_FALSE(kvm_usable(folder.path() / "none", device));
}

TEST_CASE("cpu_info is JSON, whatever libvirt says") {
  CHECK(cpu_info_json("<host><cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor>"
                      "<topology sockets='1' dies='1' cores='2' threads='2'/>"
                      "<feature name='ht'/><feature name='x\"y'/></cpu></host>") ==
        R"({"arch":"x86_64","model":"EPYC","vendor":"AMD","features":["ht","x\"y"],)"
        R"("topology":{"cells":1,"sockets":1,"cores":2,"threads":2}})");
  for (const char* text : {"", "<cpu>", "</cpu><cpu>", "<cpu><feature name=</cpu>"}) {
    CAPTURE(text);
    CHECK(cpu_info_json(text).starts_with("{\"arch\":\"\""));
  }
}

TEST_CASE("a console log is cut to its newer half once it is over its limit") {
  test::TempFolder folder;
  const auto path = folder.path() / "console.log";
  const std::size_t limit = 256 << 10;
  std::ofstream(path) << std::string(limit, 'o');
  trim_console(path, limit);
  CHECK(std::filesystem::file_size(path) == limit);
  std::ofstream(path, std::ios::app) << "the end\n";
  trim_console(path, limit);
  const auto size = std::filesystem::file_size(path);
  CHECK(size < limit);
  CHECK(size >= limit / 2);
  std::ifstream file(path);
  file.seekg(-8, std::ios::end);
  std::string last;
  std::getline(file, last);
  CHECK(last == "the end");
  const auto link = folder.path() / "link";
  std::filesystem::create_symlink(path, link);
  trim_console(link, 1);
  CHECK(std::filesystem::file_size(path) == size);
}

TEST_CASE("programs run without a shell, under limits, and are killed at their timeout") {
  const auto echo = run_program({find_program("echo"), {"$HOME; `id`", "|"}});
  REQUIRE(echo);
  CHECK(echo->exit_code == 0);
  CHECK(echo->output == "$HOME; `id` |\n");
  CHECK(run_program({find_program("false"), {}})->exit_code == 1);
  const auto slow = run_program({find_program("sleep"), {"60"}, 50ms});
  REQUIRE_FALSE(slow);
  CHECK(slow.error().code == ErrorCode::Timeout);
  const auto greedy = run_program({find_program("head"), {"-c", "200M", "/dev/zero"}, 10'000ms});
  REQUIRE(greedy);
  CHECK(greedy->output.size() == 16 << 10);
  CHECK(find_program("no-such-program").empty());
}

TEST_CASE("an overlay is whole or not there, and a half-made one is made anew") {
  if (find_program("qemu-img").empty()) {
    MESSAGE("skipped, nothing was tested: qemu-img is not installed");
    return;
  }
  test::TempFolder folder;
  const auto base = folder.path() / "base.qcow2";
  REQUIRE_OK(make_overlay({base, {}, "", 4 << 20}));
  const DiskSpec disk{folder.path() / "disk, 1", base, "qcow2", 0};
  std::ofstream(disk.path) << "half";
  std::ofstream(disk.path.native() + ".part") << "half of it";
  REQUIRE_OK(make_overlay(disk));
  CHECK(virtual_size(disk.path, "qcow2") == std::uint64_t{4 << 20});
  const auto info = run_program({find_program("qemu-img"), {"info", "--backing-chain", disk.path}});
  REQUIRE(info);
  CHECK(info->output.find("backing file: " + base.native()) != std::string::npos);
  CHECK(info->output.find("backing file format: qcow2") != std::string::npos);
  for (const std::uint64_t gib : {1ULL, 511ULL, 513ULL, 65'536ULL}) {
    CAPTURE(gib);
    const DiskSpec large{folder.path() / std::to_string(gib), base, "qcow2", gib << 30};
    REQUIRE_OK(make_overlay(large));
    CHECK(virtual_size(large.path, "qcow2") == gib << 30);
    const auto check =
        run_program({find_program("qemu-img"), {"check", "-f", "qcow2", large.path}});
    REQUIRE(check);
    CHECK(check->output.find("No errors were found") != std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(disk.path.native() + ".part"));
  CHECK((std::filesystem::status(disk.path).permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
  const auto before = std::filesystem::last_write_time(disk.path);
  REQUIRE_OK(make_overlay(disk));
  CHECK(std::filesystem::last_write_time(disk.path) == before);
  std::ofstream(folder.path() / "fake") << "QFI";
  CHECK(make_overlay({folder.path() / "x", folder.path() / "fake", "qcow2", 0}).error().code ==
        ErrorCode::InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "x"));
  const std::pair<const char*, const char*> formats[] = {
      {"vmdk", "vmdk"}, {"vdi", "vdi"}, {"vhd", "vpc"}, {"vhdx", "vhdx"}};
  for (const auto& [image, qemu] : formats) {
    CAPTURE_BOUND(image);
    const auto path = folder.path() / image;
    const auto made = run_program({find_program("qemu-img"), {"create", "-f", qemu, path, "4M"}});
    REQUIRE(made);
    REQUIRE(made->exit_code == 0);
    const DiskSpec over{path.native() + ".qcow2", path, image, 0};
    REQUIRE_OK(make_overlay(over));
    CHECK(*virtual_size(over.path, "qcow2") >= 4 << 20);
    CHECK(make_overlay({path.native() + ".x", path, image, 1 << 20}).error().code ==
          ErrorCode::InvalidArgument);
  }
}
