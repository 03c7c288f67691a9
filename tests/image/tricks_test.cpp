#include <doctest/doctest.h>

#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "cloudos/limits.hpp"
#include "image/verify.hpp"
#include "image/world.hpp"

// The formats that came later, files that are two things at once, and what honest tools make.
using namespace cloudos;
using namespace image_test;
using namespace std::string_literals;
using image::Content;
using image::Inspection;

namespace {

Inspection looked_at(const std::string& bytes, image::InspectRules rules = {}) {
  BlobReader reader(bytes);
  const auto found = image::inspect(reader, rules);
  REQUIRE(found);
  CHECK(reader.most_read <= limits::kImageDescriptorBytes);
  CHECK(reader.total_read <= 8 * limits::kImageDescriptorBytes);
  return *found;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
  }
  return ~crc;
}
void seal(Blob& b, std::size_t at, std::size_t length) {
  b.le(at + 4, 0, 4);
  b.le(at + 4, crc32c(std::string_view(b.bytes).substr(at, length)), 4);
}

constexpr std::size_t kMiB = 1 << 20, kBlock = 64 << 10;
const std::string kBatGuid = "\x66\x77\xc2\x2d\x23\xf6"
                             "\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"s;
const std::string kMetadataGuid("\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e",
                                16);
const std::string kParametersGuid(
    "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b", 16);
const std::string kSizeGuid("\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8", 16);
const std::string kSectorGuid("\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f",
                              16);
const std::string kParentGuid("\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c",
                              16);

struct VhdxWish {
  std::uint64_t size = 64 << 20;
  std::uint32_t block = 8 << 20;
  std::uint32_t flags = 0;
  std::string extra_item;
  std::uint32_t extra_flags = 4;
  std::string extra_region;
  bool log = false;
  std::uint64_t bat_at = 3 * kMiB;
};

Blob vhdx(const VhdxWish& wish = {}) {
  Blob b(4 * kMiB);
  b.text(0, "vhdxfile");
  for (const std::size_t at : {kBlock, 2 * kBlock}) {
    b.text(at, "head").le(at + 8, at, 8).le(at + 66, 1, 2);
    b.le(at + 68, kMiB, 4).le(at + 72, kMiB, 8);
    if (wish.log) b.text(at + 48, std::string(16, 'g'));
    seal(b, at, 4'096);
  }
  if (wish.log) b.text(kMiB, "loge").text(kMiB + 32, std::string(16, 'g'));
  const std::size_t regions = 3 * kBlock;
  b.text(regions, "regi").le(regions + 8, wish.extra_region.empty() ? 2 : 3, 4);
  b.text(regions + 16, kBatGuid).le(regions + 32, wish.bat_at, 8).le(regions + 40, kMiB, 4);
  b.text(regions + 48, kMetadataGuid).le(regions + 64, 2 * kMiB, 8).le(regions + 72, kMiB, 4);
  if (!wish.extra_region.empty()) {
    b.text(regions + 80, wish.extra_region).le(regions + 96, kMiB, 8).le(regions + 104, kMiB, 4);
    b.le(regions + 108, 1, 4);
  }
  seal(b, regions, kBlock);
  const std::size_t table = 2 * kMiB, data = table + kBlock;
  b.text(table, "metadata").le(table + 10, wish.extra_item.empty() ? 3 : 4, 2);
  const auto item = [&](std::size_t i, const std::string& guid, std::uint32_t flags) {
    b.text(table + 32 + i * 32, guid).le(table + 32 + i * 32 + 16, kBlock + i * 8, 4);
    b.le(table + 32 + i * 32 + 20, 8, 4).le(table + 32 + i * 32 + 24, flags, 4);
  };
  item(0, kParametersGuid, 4);
  item(1, kSizeGuid, 6);
  item(2, kSectorGuid, 6);
  if (!wish.extra_item.empty()) item(3, wish.extra_item, wish.extra_flags);
  b.le(data, wish.block, 4).le(data + 4, wish.flags, 4).le(data + 8, wish.size, 8);
  return b.le(data + 16, 512, 4);
}

Blob tar_entry(const std::string& name, const std::string& body, char type = '0') {
  Blob b(512);
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", body.size());
  b.text(0, name).text(100, "0000644").text(124, size).text(156, std::string(1, type));
  b.text(257, std::string("ustar\0" "00", 8)).text(148, "        ");
  unsigned sum = 0;
  for (const char c : b.bytes) sum += static_cast<std::uint8_t>(c);
  char check[8];
  std::snprintf(check, sizeof check, "%06o", sum);
  b.text(148, check).text(512, body);
  return b.cut((b.bytes.size() + 511) / 512 * 512);
}
std::string tar(std::initializer_list<Blob> entries) {
  std::string all;
  for (const Blob& entry : entries) all += entry.bytes;
  return all + std::string(1'024, '\0');
}
std::string ova() {
  return tar({tar_entry("disk.ovf", "<Envelope/>"), tar_entry("disk.vmdk", stream_vmdk().bytes)});
}

}  // namespace

TEST_CASE("a vhdx disk is recognised, and refused when it leads elsewhere or lies") {
  struct Row {
    std::string what;
    std::string bytes;
    const char* problem;  ///< Empty: it is good.
  };
  const auto with = [](auto change) {
    VhdxWish wish;
    change(wish);
    return vhdx(wish).bytes;
  };
  const std::string other(16, 'x');
  const Row rows[] = {
      {"good", vhdx().bytes, ""},
      {"parent flag", with([](auto& w) { w.flags = 2; }), "has a parent"},
      {"parent locator", with([](auto& w) { w.extra_item = kParentGuid; }), "has a parent"},
      {"unknown required item", with([&](auto& w) { w.extra_item = other; }), "unknown metadata"},
      {"unknown item nobody needs",
       with([&](auto& w) { w.extra_item = other; w.extra_flags = 0; }), ""},
      {"unknown required region", with([&](auto& w) { w.extra_region = other; }), "unknown region"},
      {"two tables of one kind", with([&](auto& w) { w.extra_region = kBatGuid; }), "two regions"},
      {"a log that waits", with([](auto& w) { w.log = true; }), "closed cleanly"},
      {"table outside the file", with([](auto& w) { w.bat_at = 1ull << 60; }), "outside the file"},
      {"table too small", with([](auto& w) { w.size = 1ull << 43; w.block = 1 << 20; }),
       "too small"},
      {"a disk of 8 EiB", with([](auto& w) { w.size = 1ull << 63; }), "larger than the limit"},
      {"a disk without bytes", with([](auto& w) { w.size = 0; }), "no bytes"},
      {"block size that is none", with([](auto& w) { w.block = 3 << 20; }), "block size"},
      {"broken headers", vhdx().le(kBlock + 8, 9, 8).le(2 * kBlock + 8, 9, 8).bytes, "headers"},
      {"one broken header is none", vhdx().le(kBlock + 8, 9, 8).bytes, ""},
      {"broken region table", vhdx().le(3 * kBlock + 16, 1, 1).bytes, "region table"},
      {"cut off", vhdx().cut(100).bytes, "headers"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = looked_at(row.bytes);
    CHECK(found.content == Content::Vhdx);
    CAPTURE(found.problem);
    if (*row.problem == 0) CHECK(found.problem == "");
    else CHECK(has(found.problem, row.problem));
  }
  CHECK(looked_at(vhdx().bytes).virtual_size_bytes == 64 << 20);
}

TEST_CASE("an OVA is a tar of plain files, its descriptor first, its disks good (OSSA-2023-002)") {
  const std::string leak =
      vmdk(vmdk_descriptor("monolithicFlat", "RW 1 FLAT \"/etc/passwd\" 0")).bytes;
  const std::string text_leak = vmdk_descriptor("vmfs", "RW 1 VMFS \"/etc/passwd\"");
  const std::string bomb = vmdk().le(12, UINT64_MAX, 8).bytes;
  struct Row {
    std::string what;
    std::string bytes;
    const char* problem;
  };
  const Blob ovf = tar_entry("disk.ovf", "<Envelope/>");
  const Row rows[] = {
      {"good", ova(), ""},
      {"with manifest", tar({ovf, tar_entry("disk.mf", "SHA"),
                             tar_entry("disk.vmdk", stream_vmdk().bytes)}), ""},
      {"disk first", tar({tar_entry("disk.vmdk", vmdk().bytes), ovf}), "descriptor"},
      {"no disk", tar({ovf}), "no .vmdk"},
      {"disk that names a file", tar({ovf, tar_entry("disk.vmdk", leak)}), "monolithicflat"},
      {"disk that is a descriptor", tar({ovf, tar_entry("disk.vmdk", text_leak)}), "descriptor"},
      {"second disk bad", tar({ovf, tar_entry("a.vmdk", vmdk().bytes), tar_entry("b.VMDK", leak)}),
       "b.VMDK"},
      {"disk too large", tar({ovf, tar_entry("disk.vmdk", bomb)}), "capacity"},
      {"path", tar({ovf, tar_entry("../../etc/cron.d/x", "x")}), "plain file"},
      {"absolute path", tar({ovf, tar_entry("/etc/passwd", "x")}), "plain file"},
      {"symbolic link", tar({ovf, tar_entry("disk.vmdk", "", '2')}), "plain file"},
      {"hard link", tar({ovf, tar_entry("disk.vmdk", "", '1')}), "plain file"},
      {"device", tar({ovf, tar_entry("sda", "", '3')}), "plain file"},
      {"long name entry", tar({ovf, tar_entry("././@LongLink", "x", 'L')}), "plain file"},
      {"wrong checksum", [] { std::string t = ova(); t[0] = 'D'; return t; }(), "whole tar"},
      {"cut off", ova().substr(0, 2'000), "whole tar"},
      {"size beyond the end", [] {
         Blob entry = tar_entry("disk.ovf", "x");
         std::string t = entry.bytes;
         return t.replace(124, 11, "77777777777");
       }(), "whole tar"},
      {"no tar", qcow2().bytes, "no tar"},
      {"plain bytes", std::string(4'096, 'x'), "no tar"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = looked_at(row.bytes, {.ova = true});
    CAPTURE(found.problem);
    if (*row.problem == 0) {
      CHECK(found.problem == "");
      CHECK(found.content == Content::Ova);
      CHECK(image::check_content(found, DiskFormat::Vmdk));
    } else {
      CHECK(has(found.problem, row.problem));
    }
  }
  CHECK(looked_at(ova(), {.ova = true}).virtual_size_bytes == 64 << 20);
}

TEST_CASE("a tar of endless entries is given up") {
  std::string bytes = tar_entry("disk.ovf", "x").bytes;
  const std::string one = tar_entry("x", "").bytes;
  for (std::size_t i = 0; i < limits::kImageTarEntries + 1; ++i) bytes += one;
  BlobReader reader(bytes);
  const auto found = image::inspect(reader, {.ova = true});
  REQUIRE(found);
  CHECK(has(found->problem, "too many entries"));
}

TEST_CASE("a file that is two formats at once is refused, whichever it calls itself") {
  const std::string_view cd("\x01" "CD001", 6);
  const auto with_iso = [&](Blob b) {
    if (b.bytes.size() < 20 * 2'048) b.cut(20 * 2'048);
    return b.text(32'768, cd).bytes;
  };
  const auto with_footer = [](Blob b) {
    b.cut((b.bytes.size() + 511) / 512 * 512);
    vhd_footer(b, b.bytes.size(), 2, 4'096);
    return b.bytes;
  };
  struct Row {
    std::string what, bytes;
  };
  const Row rows[] = {
      {"qcow2 and iso", with_iso(qcow2())},
      {"vdi and iso", with_iso(vdi())},
      {"qcow2 and vhd", with_footer(qcow2())},
      {"vdi and vhd", with_footer(vdi())},
      {"iso and vhd", with_footer(iso())},
      {"qcow2 and vdi", qcow2().le(64, 0xbeda107f, 4).bytes},
      {"vhdx and iso", with_iso(vhdx())},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = looked_at(row.bytes);
    CAPTURE(found.problem);
    CHECK(has(found.problem, "at once"));
    for (const DiskFormat format : {DiskFormat::Raw, DiskFormat::Qcow2, DiskFormat::Vdi,
                                    DiskFormat::Vhd, DiskFormat::Iso, DiskFormat::Vhdx})
      CHECK_FALSE(image::check_content(found, format));
  }
}

TEST_CASE("partition tables of raw disks are seen") {
  Blob mbr(4'096 + 512);
  mbr.text(510, "\x55\xaa");
  CHECK(looked_at(mbr.bytes).partitions == image::Partitions::Mbr);
  Blob gpt = mbr;
  gpt.text(512, "EFI PART");
  CHECK(looked_at(gpt.bytes).partitions == image::Partitions::Gpt);
  Blob gpt_4k = mbr;
  gpt_4k.text(4'096, "EFI PART");
  CHECK(looked_at(gpt_4k.bytes).partitions == image::Partitions::Gpt);
  CHECK(looked_at(std::string(4'096, '\0')).partitions == image::Partitions::None);
}

TEST_CASE("an encrypted disk passes as raw only where that is told") {
  const std::string luks = Blob(4'096).text(0, "LUKS\xba\xbe").bytes;
  CHECK_FALSE(image::check_content(looked_at(luks), DiskFormat::Raw));
  const Inspection told = looked_at(luks, {.luks = true});
  CHECK(told.content == Content::Luks);
  CHECK(image::check_content(told, DiskFormat::Raw));
  CHECK_FALSE(image::check_content(told, DiskFormat::Qcow2));
}

TEST_CASE("declared and found: crafted files against every declared format") {
  struct Row {
    std::string what;
    std::string bytes;
    DiskFormat fits;  ///< The only declaration that is right; Unset: none.
  };
  const Row rows[] = {
      {"plain bytes", std::string(8'192, 'x'), DiskFormat::Raw},
      {"qcow2", qcow2().bytes, DiskFormat::Qcow2},
      {"vmdk", vmdk().bytes, DiskFormat::Vmdk},
      {"vdi", vdi().bytes, DiskFormat::Vdi},
      {"vhd", dynamic_vhd().bytes, DiskFormat::Vhd},
      {"vhdx", vhdx().bytes, DiskFormat::Vhdx},
      {"iso", iso().bytes, DiskFormat::Iso},
      {"qcow2 with an external data file (OSSA-2024-001)", qcow2().be(72, 4, 8).bytes,
       DiskFormat::Unset},
      {"qcow2 with a backing file", qcow2_with_backing("/etc/passwd").bytes, DiskFormat::Unset},
      {"vmdk with a flat extent (OSSA-2023-002)",
       vmdk(vmdk_descriptor("monolithicFlat", "RW 1 FLAT \"/etc/passwd\" 0")).bytes,
       DiskFormat::Unset},
      {"vmdk descriptor (OSSA-2024-002)", vmdk_descriptor("vmfs", "RW 1 VMFS \"/etc/passwd\""),
       DiskFormat::Unset},
      {"a size bomb (OSSA-2016-012)", qcow2().be(24, 1ull << 63, 8).bytes, DiskFormat::Unset},
  };
  const DiskFormat formats[] = {DiskFormat::Raw, DiskFormat::Qcow2, DiskFormat::Vmdk,
                                DiskFormat::Vdi, DiskFormat::Vhd,   DiskFormat::Vhdx,
                                DiskFormat::Iso, DiskFormat::Ami};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    for (const DiskFormat format : formats) {
      const std::string declared(to_string(format));
      CAPTURE(declared);
      BlobReader reader(row.bytes);
      const bool raw = row.fits == DiskFormat::Raw && format == DiskFormat::Ami;
      const bool right = format == row.fits || raw;
      CHECK(image::verify_content(reader, format, ContainerFormat::Bare, true).has_value() ==
            right);
      // Where a mismatch is let be, only plain bytes are: nothing follows them anywhere.
      BlobReader again(row.bytes);
      const auto lax = image::verify_content(again, format, ContainerFormat::Bare, false);
      CHECK(lax.has_value() == (right || row.fits == DiskFormat::Raw));
      if (lax) CHECK(lax->format_problem.empty() == right);
    }
  }
}

namespace {

/// What a program prints; empty when it failed.
std::string printed(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char piece[512];
  while (std::fgets(piece, sizeof piece, pipe)) text += piece;
  return ::pclose(pipe) == 0 ? text : "";
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("what qemu-img makes is found to be what qemu-img says it is") {
  if (printed("command -v qemu-img").empty()) {
    MESSAGE("qemu-img is not installed: nothing compared");
    return;
  }
  struct Row {
    std::string what, format, options;
    Content content;
  };
  const Row rows[] = {
      {"raw", "raw", "", Content::Raw},
      {"qcow2", "qcow2", "", Content::Qcow2},
      {"qcow2 version 2", "qcow2", "-o compat=0.10", Content::Qcow2},
      {"qcow2 with zstd", "qcow2", "-o compression_type=zstd", Content::Qcow2},
      {"qcow2 with subclusters", "qcow2", "-o extended_l2=on,cluster_size=128k", Content::Qcow2},
      {"vmdk", "vmdk", "", Content::Vmdk},
      {"stream-optimised vmdk", "vmdk", "-o subformat=streamOptimized", Content::Vmdk},
      {"vdi", "vdi", "", Content::Vdi},
      {"fixed vdi", "vdi", "-o static=on", Content::Vdi},
      {"vhd", "vpc", "", Content::Vhd},
      {"fixed vhd", "vpc", "-o subformat=fixed", Content::Vhd},
      {"vhdx", "vhdx", "", Content::Vhdx},
      {"fixed vhdx", "vhdx", "-o subformat=fixed", Content::Vhdx},
  };
  const Folder folder;
  const std::string source = (folder.path / "source").native();
  std::ofstream(source, std::ios::binary) << std::string(5 << 20, 'd');
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string path = (folder.path / "disk").native();
    // Written through, not only made: logs and tables are as a tool leaves them.
    printed("qemu-img convert -f raw -O " + row.format + " " + row.options + " " + source + " " +
            path);
    const Inspection found = looked_at(file_text(path));
    CHECK(found.problem == "");
    CHECK(found.content == row.content);
    const std::string info = printed("qemu-img info --output=json -f " + row.format + " " + path);
    const std::size_t at = info.find("\"virtual-size\": ");
    REQUIRE(at != std::string::npos);
    CHECK(found.virtual_size_bytes == std::stoull(info.substr(at + 16)));
    std::filesystem::remove(path);
  }
}
