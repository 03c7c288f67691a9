#include <doctest/doctest.h>

#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const ImageId kFirst{"00000000-0000-4000-8000-000000000001"};
const ImageId kSecond{"00000000-0000-4000-8000-000000000002"};

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
std::string content(image::RandomReader& reader, std::uint64_t offset = 0,
                    std::size_t length = 100) {
  std::string text(length, '\0');
  const auto got = reader.read_at(offset, {reinterpret_cast<std::byte*>(text.data()), length});
  REQUIRE(got);
  text.resize(*got);
  return text;
}

/// What every payload store keeps to.
void payload_contract(image::PayloadStore& payloads) {
  CHECK(code_of(payloads.open(kFirst)) == ErrorCode::NotFound);
  CHECK(payloads.remove(kFirst));
  CHECK(payloads.list()->empty());
  {
    auto writer = payloads.create(kFirst);
    REQUIRE(writer);
    REQUIRE((*writer)->write(bytes_of("hello ")));
    REQUIRE((*writer)->write(bytes_of("world")));
    CHECK((*writer)->written().size() == 11);
    CHECK(content((*writer)->written(), 6) == "world");
    CHECK(code_of(payloads.open(kFirst)) == ErrorCode::NotFound);  // Not before publish().
  }
  CHECK(payloads.list()->empty());  // Dropped: no byte is left.
  {
    auto writer = payloads.create(kFirst);
    REQUIRE(writer);
    REQUIRE((*writer)->write(bytes_of("again")));
    REQUIRE((*writer)->publish());
  }
  CHECK(*payloads.list() == std::vector<ImageId>{kFirst});
  auto reader = payloads.open(kFirst);
  REQUIRE(reader);
  CHECK((*reader)->size() == 5);
  CHECK(content(**reader) == "again");
  CHECK(content(**reader, 3, 1) == "i");
  CHECK(content(**reader, 5) == "");
  CHECK(content(**reader, UINT64_MAX) == "");
  REQUIRE(payloads.remove(kFirst));
  CHECK(content(**reader) == "again");  // A reader keeps what it opened.
  CHECK(payloads.list()->empty());
}

}  // namespace

TEST_CASE("payloads in memory keep the contract") {
  payload_contract(*image::open_payload_memory(1'000));
}

TEST_CASE("payloads in files keep the contract, and pass over what is not theirs") {
  Folder folder;
  auto opened = image::open_payload_files(folder.path / "images");
  REQUIRE(opened);
  image::PayloadStore& payloads = **opened;
  payload_contract(payloads);
  CHECK(folder.files() == 0);
  std::filesystem::create_directory(folder.path / "images" / "lost+found");
  std::filesystem::create_directory(folder.path / "images" / "notes.part");
  CHECK(payloads.list()->empty());
  {
    auto writer = payloads.create(kSecond);
    REQUIRE(writer);
    CHECK(std::filesystem::exists(folder.path / "images" / (kSecond.value + ".part")));
    CHECK(*payloads.list() == std::vector<ImageId>{kSecond});
    REQUIRE((*writer)->publish());
  }
  const auto permissions = std::filesystem::status(payloads.path(kSecond)).permissions();
  CHECK((permissions & std::filesystem::perms::others_all) == std::filesystem::perms::none);
  CHECK((permissions & std::filesystem::perms::owner_write) == std::filesystem::perms::none);
}

TEST_CASE("the images' folder lets others through, never look around, whatever the umask was") {
  struct Row {
    std::string what;
    unsigned before;  // 0: it is not there yet.
    unsigned after;
  };
  const Row rows[] = {
      {"made anew", 0, 0711},
      {"of an older version", 0755, 0751},
      {"open to all", 0777, 0771},
      {"closed by an operator", 0700, 0700},
      {"a group's", 0750, 0750},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Folder folder;
    const auto images = folder.path / "images";
    if (row.before != 0) {
      std::filesystem::create_directory(images);
      std::filesystem::permissions(images, static_cast<std::filesystem::perms>(row.before));
    }
    REQUIRE(image::open_payload_files(images));
    CHECK(static_cast<unsigned>(std::filesystem::status(images).permissions()) == row.after);
  }
}

TEST_CASE("a folder that cannot be made is one clear error") {
  Folder folder;
  std::filesystem::create_symlink("/proc/none", folder.path / "file");
  const auto opened = image::open_payload_files(folder.path / "file" / "images");
  CHECK(code_of(opened) == ErrorCode::Unavailable);
}

TEST_CASE("payloads in memory are bounded, and what is dropped or removed is given back") {
  auto payloads = image::open_payload_memory(10);
  for (int round = 0; round < 3; ++round) {
    auto writer = payloads->create(kFirst);
    REQUIRE(writer);
    REQUIRE((*writer)->write(bytes_of("12345678")));
    CHECK(code_of((*writer)->write(bytes_of("345"))) == ErrorCode::StorageFull);
    if (round == 1) REQUIRE((*writer)->publish());
  }
  CHECK(payloads->list()->empty());
}
