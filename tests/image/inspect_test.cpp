#include <doctest/doctest.h>

#include "cloudos/limits.hpp"
#include "cloudos/random.hpp"
#include "image/blobs.hpp"

using namespace cloudos;
using namespace image_test;
using image::Content;
using image::Inspection;

namespace {

Inspection inspected(const std::string& bytes) {
  BlobReader reader(bytes);
  const auto found = image::inspect(reader);
  REQUIRE(found);
  // Whatever a header claims, little is read and never much at once.
  CHECK(reader.most_read <= limits::kImageDescriptorBytes);
  CHECK(reader.total_read <= 4 * limits::kImageDescriptorBytes);
  return *found;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every supported format is recognised by its structure, with its virtual size") {
  struct Row {
    std::string what;
    std::string bytes;
    Content content;
    std::uint64_t virtual_size;
  };
  const Row rows[] = {
      {"zeros are a raw disk", std::string(4'096, '\0'), Content::Raw, 4'096},
      {"text is a raw disk", "hello", Content::Raw, 5},
      {"one byte", "x", Content::Raw, 1},
      {"qcow2 version 3", qcow2(3).bytes, Content::Qcow2, 64 << 20},
      {"qcow2 version 2", qcow2(2).bytes, Content::Qcow2, 64 << 20},
      {"sparse vmdk", vmdk().bytes, Content::Vmdk, 64 << 20},
      {"stream-optimised vmdk", stream_vmdk().bytes, Content::Vmdk, 64 << 20},
      {"fixed vhd", fixed_vhd().bytes, Content::Vhd, 8'192},
      {"dynamic vhd", dynamic_vhd().bytes, Content::Vhd, 64 << 20},
      {"vdi", vdi().bytes, Content::Vdi, 64 << 20},
      {"iso", iso().bytes, Content::Iso, 20 * 2'048},
      {"qcow2 with harmless extensions", qcow2_with_extension(0x6803f857, "features").bytes,
       Content::Qcow2, 64 << 20},
      {"a magic in the wrong place is no magic", Blob().text(1, "QFI\xfb").cut(512).bytes,
       Content::Raw, 512},
      {"a broken vhd footer is only bytes", Blob(1'024).text(512, "conectix").bytes, Content::Raw,
       1'024},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = inspected(row.bytes);
    CHECK(found.content == row.content);
    CHECK(found.virtual_size_bytes == row.virtual_size);
    CHECK(found.problem == "");
  }
}

TEST_CASE("qcow2 that names other files, needs unknown features or lies about itself is refused") {
  struct Row {
    std::string what;
    std::string bytes;
    const char* problem;
  };
  const Row rows[] = {
      {"backing file", qcow2_with_backing("/etc/passwd").bytes, "backing file"},
      {"backing offset without a name", qcow2().be(8, 512, 8).bytes, "backing file"},
      {"backing name without an offset", qcow2().be(16, 4, 4).bytes, "backing file"},
      {"backing name beyond the end", qcow2().be(8, UINT64_MAX, 8).be(16, 9, 4).bytes, "backing"},
      {"external data file flag", qcow2().be(72, 4, 8).bytes, "external file"},
      {"data file name without its flag", qcow2_with_extension(0x44415441, "/etc/shadow").bytes,
       "/etc/shadow"},
      {"unknown incompatible feature", qcow2().be(72, 1ull << 40, 8).bytes, "unknown features"},
      {"dirty", qcow2().be(72, 1, 8).bytes, "closed cleanly"},
      {"corrupt", qcow2().be(72, 2, 8).bytes, "closed cleanly"},
      {"AES encryption", qcow2().be(32, 1, 4).bytes, "encrypted"},
      {"LUKS encryption header", qcow2_with_extension(0x0537be77, "0123456789abcdef").bytes,
       "encrypted"},
      {"qcow version 1", qcow2().be(4, 1, 4).bytes, "version 1"},
      {"a version of the future", qcow2().be(4, 4, 4).bytes, "version 4"},
      {"tiny clusters", qcow2().be(20, 8, 4).bytes, "clusters"},
      {"huge clusters", qcow2().be(20, 63, 4).bytes, "clusters"},
      {"header longer than a cluster", qcow2().be(100, 1 << 30, 4).bytes, "header"},
      {"header shorter than its fields", qcow2().be(100, 8, 4).bytes, "header"},
      {"extension beyond the cluster", qcow2().be(104, 7, 4).be(108, UINT32_MAX, 4).bytes,
       "beyond its first cluster"},
      {"L1 table outside the file", qcow2().be(40, 1ull << 62, 8).bytes, "L1"},
      {"L1 table off its grid", qcow2().be(40, 3 * 65'536 + 8, 8).bytes, "L1"},
      {"huge L1 table", qcow2().be(36, UINT32_MAX, 4).bytes, "L1"},
      {"L1 table too small", qcow2().be(24, 1ull << 43, 8).bytes, "too small"},
      {"refcount table outside the file", qcow2().be(48, 1ull << 50, 8).bytes, "refcount"},
      {"no refcount table", qcow2().be(56, 0, 4).bytes, "refcount"},
      {"too many snapshots", qcow2().be(60, UINT32_MAX, 4).bytes, "snapshots"},
      {"unknown compression", qcow2().be(72, 8, 8).be(100, 112, 4).be(104, 9, 1).bytes,
       "compression"},
      {"a disk of 8 EiB", qcow2().be(24, 1ull << 63, 8).bytes, "too small"},
      {"a disk without bytes", qcow2().be(24, 0, 8).bytes, "no bytes"},
      {"cut off in the header", qcow2().cut(40).bytes, "cut off"},
      {"cut off behind the magic", qcow2().cut(4).bytes, "cut off"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = inspected(row.bytes);
    CHECK(found.content == Content::Qcow2);
    CAPTURE(found.problem);
    CHECK(contains(found.problem, row.problem));
  }
  CHECK(inspected(qcow2_with_backing("/etc/passwd").bytes).backing_file == "/etc/passwd");
  CHECK(inspected(qcow2_with_extension(0x44415441, "/etc/shadow").bytes).data_file ==
        "/etc/shadow");
}

TEST_CASE("a qcow2 with more header extensions than the limit is refused, not followed") {
  Blob b = qcow2();
  for (std::size_t i = 0; i <= limits::kImageHeaderExtensions; ++i) b.be(104 + 8 * i, 7, 4);
  CHECK(contains(inspected(b.bytes).problem, "too many header extensions"));
}

TEST_CASE("a disk larger than the limit is refused though its tables are consistent") {
  Blob b(5 * 65'536);
  b = qcow2();
  // Clusters of 2 MiB: one L1 entry stands for 512 GiB.
  const std::uint64_t cluster = 2 << 20;
  b.be(20, 21, 4).be(24, limits::kImageVirtualBytes + 512, 8).be(36, 64, 4).be(40, 3 * cluster, 8);
  b.be(48, cluster, 8).cut(5 * cluster);
  CHECK(contains(inspected(b.bytes).problem, "larger than the limit"));
  b.be(24, limits::kImageVirtualBytes, 8);
  CHECK(inspected(b.bytes).problem == "");
}

TEST_CASE("a vmdk may hold its own sparse extent and nothing else") {
  const auto sparse = [](std::string_view extents, std::string_view more = "") {
    return vmdk(vmdk_descriptor("monolithicSparse", extents, more));
  };
  struct Row {
    std::string what;
    std::string bytes;
    const char* problem;
  };
  const Row rows[] = {
      {"flat extent of the host", sparse("RW 2048 FLAT \"/etc/passwd\" 0").bytes, "extents"},
      {"sparse extent of the host", sparse("RW 2048 SPARSE \"/etc/passwd\"").bytes,
       "/etc/passwd"},
      {"a way up", sparse("RW 2048 SPARSE \"..\\\\x.vmdk\"").bytes, "names another file"},
      {"a protocol", sparse("RW 2048 SPARSE \"nbd:unix\"").bytes, "names another file"},
      {"second extent", sparse("RW 1 SPARSE \"a.vmdk\"\nRW 1 SPARSE \"b.vmdk\"").bytes,
       "2 extents"},
      {"no extent", sparse("").bytes, "0 extents"},
      {"lower case access", sparse("rw 2048 flat \"/etc/passwd\" 0").bytes, "extents"},
      {"read-only extent beside its own",
       sparse("RW 1 SPARSE \"a.vmdk\"\nRDONLY 1 FLAT \"/dev/sda\" 0").bytes, "2 extents"},
      {"parent by name", sparse(kOwnExtent, "parentFileNameHint=\"/base.vmdk\"").bytes, "parent"},
      {"parent by number", sparse(kOwnExtent, "parentCID=00000001").bytes, "parent"},
      {"flat type", vmdk(vmdk_descriptor("monolithicFlat", kOwnExtent)).bytes, "not supported"},
      {"type of a device", vmdk(vmdk_descriptor("fullDevice", kOwnExtent)).bytes,
       "not supported"},
      {"no capacity, so that the descriptor is followed", vmdk().le(12, 0, 8).bytes, "capacity"},
      {"capacity of 8 EiB", vmdk().le(12, 1ull << 54, 8).bytes, "capacity"},
      {"descriptor outside the file", vmdk().le(28, 1ull << 60, 8).bytes, "descriptor"},
      {"descriptor of 8 EiB", vmdk().le(36, UINT64_MAX, 8).bytes, "descriptor"},
      {"no descriptor", vmdk().le(28, 0, 8).bytes, "no descriptor"},
      {"grain of no bytes", vmdk().le(20, 0, 8).bytes, "grain"},
      {"grain that is no power of two", vmdk().le(20, 3, 8).bytes, "grain"},
      {"directory outside the file", vmdk().le(56, 1ull << 60, 8).bytes, "directory"},
      {"version of the future", vmdk().le(4, 9, 4).bytes, "version 9"},
      {"cut off", vmdk().cut(32).bytes, "cut off"},
      {"stream whose footer tells another capacity", stream_vmdk(1).bytes, "footer"},
      {"stream without a footer", stream_vmdk().cut(128 * 512).bytes, "footer"},
      {"a descriptor alone", vmdk_descriptor("monolithicFlat", "RW 1 FLAT \"/etc/passwd\" 0"),
       "other files"},
      {"a descriptor behind comments", "# hello\n\n#\nversion=1\nRW 1 FLAT \"/etc/passwd\" 0\n",
       "other files"},
      {"a descriptor with carriage returns", "# hello\r\n\r\nversion=1\r\n", "other files"},
      {"ESX sparse", Blob(512).text(0, "COWD").bytes, "other files"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = inspected(row.bytes);
    CHECK(found.content == Content::Vmdk);
    CAPTURE(found.problem);
    CHECK(contains(found.problem, row.problem));
  }
  const auto named = inspected(sparse("RW 2048 FLAT \"/etc/passwd\" 0").bytes);
  CHECK(named.extents == std::vector<std::string>{"/etc/passwd"});
}

TEST_CASE("vhd and vdi with parents, broken tables or wrong sums are refused") {
  Blob bad_sum = dynamic_vhd();
  bad_sum.be(100, 1, 1);
  Blob bad_header = dynamic_vhd();
  bad_header.be(512 + 200, 1, 1);
  Blob table_outside = dynamic_vhd();
  table_outside.be(512 + 16, 1ull << 62, 8);
  vhd_checksum(table_outside, 512, 1'024, 36);
  Blob table_small = dynamic_vhd();
  table_small.be(512 + 28, 1, 4);
  vhd_checksum(table_small, 512, 1'024, 36);
  Blob two_feet = dynamic_vhd();
  vhd_footer(two_feet, two_feet.bytes.size(), 2, 1'024);
  Blob header_outside = dynamic_vhd();
  header_outside.be(16, UINT64_MAX, 8);
  vhd_checksum(header_outside, 0, 512, 64);
  struct Row {
    std::string what;
    std::string bytes;
    Content content;
    const char* problem;
  };
  const Row rows[] = {
      {"differencing vhd", dynamic_vhd(4, "/etc/passwd").bytes, Content::Vhd, "/etc/passwd"},
      {"vhd sum", bad_sum.bytes, Content::Vhd, "footer is broken"},
      {"vhd header sum", bad_header.bytes, Content::Vhd, "header is broken"},
      {"vhd header outside", header_outside.bytes, Content::Vhd, "outside the file"},
      {"vhd table outside", table_outside.bytes, Content::Vhd, "outside the file"},
      {"vhd table too small", table_small.bytes, Content::Vhd, "too small"},
      {"vhd type unknown", dynamic_vhd(5).bytes, Content::Vhd, "type 5"},
      {"vhd with two footers", two_feet.bytes, Content::Vhd, "contradict"},
      {"vhd cut off", dynamic_vhd().cut(100).bytes, Content::Vhd, "cut off"},
      {"vdi with a parent", vdi().le(0x1b8, 7, 1).bytes, Content::Vdi, "parent"},
      {"vdi with a link", vdi().le(0x1a8, 7, 1).bytes, Content::Vdi, "parent"},
      {"differencing vdi", vdi().le(0x4c, 4, 4).bytes, Content::Vdi, "type 4"},
      {"vdi version", vdi().le(0x44, 2, 4).bytes, Content::Vdi, "version"},
      {"vdi map outside", vdi().le(0x180, UINT32_MAX, 4).bytes, Content::Vdi, "outside"},
      {"vdi map too small", vdi().le(0x170, 65ull << 20, 8).bytes, Content::Vdi, "too small"},
      {"vdi blocks of no bytes", vdi().le(0x178, 0, 4).bytes, Content::Vdi, "block size"},
      {"vdi cut off", vdi().cut(100).bytes, Content::Vdi, "cut off"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = inspected(row.bytes);
    CHECK(found.content == row.content);
    CAPTURE(found.problem);
    CHECK(contains(found.problem, row.problem));
  }
}

TEST_CASE("formats that are not supported are recognised so that raw does not let them in") {
  struct Row {
    std::string what;
    std::string bytes;
    Content content;
  };
  const Row rows[] = {
      {"vhdx", Blob(512).text(0, "vhdxfile").bytes, Content::Vhdx},
      {"qed", Blob(512).text(0, std::string_view("QED\0", 4)).bytes, Content::Qed},
      {"luks", Blob(512).text(0, "LUKS\xba\xbe").bytes, Content::Luks},
      {"parallels", Blob(512).text(0, "WithoutFreeSpace").bytes, Content::Parallels},
      {"parallels extended", Blob(512).text(0, "WithouFreSpacExt").bytes, Content::Parallels},
      {"bochs", Blob(512).text(0, "Bochs Virtual HD Image").bytes, Content::Bochs},
      {"cloop", Blob(512).text(0, "#!/bin/sh\n#V2.0 Format\n").bytes, Content::Cloop},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Inspection found = inspected(row.bytes);
    CHECK(found.content == row.content);
    CHECK(found.problem != "");
    CHECK_FALSE(image::check_content(found, DiskFormat::Raw));
  }
}

TEST_CASE("a file that is two formats at once is refused") {
  Blob both = qcow2();
  both.text(32'768, std::string_view("\x01" "CD001", 6));
  CHECK(contains(inspected(both.bytes).problem, "at once"));
  // A UDF bridge announces itself before the ISO descriptor.
  Blob bridge(20 * 2'048);
  bridge.text(32'768, std::string_view("\0BEA01", 6)).text(34'816, std::string_view("\1CD001", 6));
  CHECK(inspected(bridge.bytes).content == Content::Iso);
}

TEST_CASE("content must be what disk_format says") {
  struct Row {
    std::string what;
    std::string bytes;
    DiskFormat declared;
    bool accepted;
  };
  const Row rows[] = {
      {"raw as raw", "hello", DiskFormat::Raw, true},
      {"kernel as aki", "kernel", DiskFormat::Aki, true},
      {"ramdisk as ari", "ramdisk", DiskFormat::Ari, true},
      {"partition as ami", "partition", DiskFormat::Ami, true},
      {"qcow2 as qcow2", qcow2().bytes, DiskFormat::Qcow2, true},
      {"vmdk as vmdk", vmdk().bytes, DiskFormat::Vmdk, true},
      {"vhd as vhd", dynamic_vhd().bytes, DiskFormat::Vhd, true},
      {"vdi as vdi", vdi().bytes, DiskFormat::Vdi, true},
      {"iso as iso", iso().bytes, DiskFormat::Iso, true},
      {"qcow2 as raw", qcow2().bytes, DiskFormat::Raw, false},
      {"qcow2 as ami", qcow2().bytes, DiskFormat::Ami, false},
      {"vmdk as raw", vmdk().bytes, DiskFormat::Raw, false},
      {"vmdk descriptor as raw", vmdk_descriptor("monolithicFlat", "RW 1 FLAT \"/x\" 0"),
       DiskFormat::Raw, false},
      {"fixed vhd as raw", fixed_vhd().bytes, DiskFormat::Raw, false},
      {"iso as raw", iso().bytes, DiskFormat::Raw, false},
      {"raw as qcow2", "hello", DiskFormat::Qcow2, false},
      {"raw as iso", "hello", DiskFormat::Iso, false},
      {"qcow2 as vmdk", qcow2().bytes, DiskFormat::Vmdk, false},
      {"backing file as qcow2", qcow2_with_backing("/x").bytes, DiskFormat::Qcow2, false},
      {"nothing as raw", "", DiskFormat::Raw, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto checked = image::check_content(inspected(row.bytes), row.declared);
    CHECK(checked.has_value() == row.accepted);
    if (!checked) CHECK(checked.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("20,000 mutated images never crash the inspector, nor make it read much") {
  const std::string seeds[] = {qcow2().bytes,     qcow2_with_extension(0x44415441, "x").bytes,
                               vmdk().bytes,      stream_vmdk().bytes,
                               fixed_vhd().bytes, dynamic_vhd(4, "parent").bytes,
                               vdi().bytes,       iso().bytes};
  SeededRandom random(11);
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[static_cast<std::size_t>(round) % std::size(seeds)];
    const std::uint64_t changes = 1 + random.below(8);
    for (std::uint64_t i = 0; i < changes; ++i) {
      // Mostly in the headers, where it hurts.
      const std::size_t within =
          std::min<std::size_t>(bytes.size(), random.below(4) ? 2'048 : SIZE_MAX);
      bytes[static_cast<std::size_t>(random.below(within))] =
          static_cast<char>(random.below(3) ? random.below(256) : 0xff);
    }
    if (random.below(8) == 0) bytes.resize(static_cast<std::size_t>(random.below(bytes.size())));
    BlobReader reader(bytes);
    const auto found = image::inspect(reader);
    if (!found || reader.total_read > 4 * limits::kImageDescriptorBytes) {
      FAIL("round " << round);
    }
    if (found->problem.empty()) {
      ++accepted;
      const bool names_nothing = found->backing_file.empty() && found->data_file.empty();
      if (!names_nothing || found->virtual_size_bytes > limits::kImageVirtualBytes) {
        FAIL("accepted in round " << round);
      }
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 20'000);
}
