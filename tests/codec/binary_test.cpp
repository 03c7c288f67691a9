#include <doctest/doctest.h>

#include "codec/binary.hpp"
#include "cloudos/random.hpp"

using namespace cloudos;

namespace {
enum class Colour { Red, Green };
struct Inner {
  std::string name;
  std::int64_t n = 0;
};
void fields(codec::FieldVisitor& v, Inner& x) {
  v.field({1, "name"}, x.name);
  v.field({2, "n"}, x.n);
}
struct Old {
  std::string name;
  std::uint32_t size = 0;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, Old& x) {
  v.field({1, "name"}, x.name);
  v.field({2, "size"}, x.size);
  v.unknown(x.unknown);
}
struct New {
  std::string name;
  std::uint32_t size = 0;
  ServerId id;
  Colour colour = Colour::Red;
  bool flag = false;
  double ratio = 0;
  WallTime at;
  std::optional<std::int64_t> maybe;
  std::optional<std::string> text;
  std::vector<Inner> inner;
  std::map<std::string, std::string> map;
  std::set<std::string> set;
  Inner one;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, New& x) {
  v.field({1, "name"}, x.name);
  v.field({2, "size"}, x.size);
  v.field({3, "id"}, x.id);
  v.field({4, "colour"}, x.colour);
  v.field({5, "flag"}, x.flag);
  v.field({6, "ratio"}, x.ratio);
  v.field({7, "at"}, x.at);
  v.field({8, "maybe"}, x.maybe);
  v.field({9, "text"}, x.text);
  v.field({10, "inner"}, x.inner);
  v.field({11, "map"}, x.map);
  v.field({12, "set"}, x.set);
  v.field({13, "one"}, x.one);
  v.unknown(x.unknown);
}
New sample() {
  New x;
  x.name = std::string("a\0b", 3);
  x.size = 7;
  x.id = ServerId{"s-1"};
  x.colour = Colour::Green;
  x.flag = true;
  x.ratio = -1.5;
  x.at = WallTime{std::chrono::microseconds{-5}};
  x.maybe = 0;
  x.text = "";
  x.inner = {{"i", -1}, {"", 0}};
  x.map = {{"k", "v"}, {"", ""}};
  x.set = {"x", "y"};
  x.one = {"one", INT64_MIN};
  return x;
}
}  // namespace

TEST_CASE("every kind of field round trips, also empty and extreme values") {
  const auto back = codec::decode_record<New>(codec::encode_record(sample()));
  REQUIRE(back);
  CHECK(codec::encode_record(*back) == codec::encode_record(sample()));
  CHECK(back->maybe == 0);
  CHECK(back->text == "");
  CHECK(back->inner.size() == 2);
  CHECK(back->inner[0].n == -1);
  CHECK(back->one.n == INT64_MIN);
  CHECK(back->map.size() == 2);
  CHECK(back->at.time_since_epoch().count() == -5);
  const auto empty = codec::decode_record<New>(codec::encode_record(New{}));
  CHECK_FALSE(empty->maybe);
  CHECK_FALSE(empty->text);
}

TEST_CASE("a field that an older version does not know survives its read and write") {
  auto old = codec::decode_record<Old>(codec::encode_record(sample()));
  REQUIRE(old);
  old->size = 8;
  const auto back = codec::decode_record<New>(codec::encode_record(*old));
  REQUIRE(back);
  CHECK(back->size == 8);
  CHECK(back->inner.size() == 2);
  CHECK(back->text == "");
  CHECK(back->ratio == -1.5);
}

namespace {
/// Many fields, read in any order.
struct Wide {
  std::vector<std::int64_t> numbers = std::vector<std::int64_t>(60);
  std::vector<std::uint32_t> order;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, Wide& x) {
  for (const std::uint32_t i : x.order) v.field({i + 1, "n"}, x.numbers[i]);
  v.unknown(x.unknown);
}
}  // namespace

TEST_CASE("fields are found however many there are and in whichever order they lie") {
  std::vector<std::uint32_t> up, down, every_third;
  for (std::uint32_t i = 0; i < 60; ++i) up.push_back(i);
  down.assign(up.rbegin(), up.rend());
  for (std::uint32_t i = 0; i < 60; i += 3) every_third.push_back(i);
  const std::vector<std::uint32_t> orders[] = {up, down, every_third};
  for (const auto& written : orders) {
    Wide wide;
    wide.order = written;
    for (const std::uint32_t i : written) wide.numbers[i] = i % 5 ? 100 + i : 0;
    const std::string bytes = codec::encode_record(wide);
    for (const auto& read : orders) {
      Wide back;
      back.order = read;
      const auto version = codec::decode(bytes, [&](codec::FieldVisitor& v) { fields(v, back); });
      REQUIRE(version);
      for (const std::uint32_t i : read) CHECK(back.numbers[i] == wide.numbers[i]);
      // What was not asked for is kept, and read by who asks.
      Wide again;
      again.order = written;
      REQUIRE(codec::decode(codec::encode_record(back),
                            [&](codec::FieldVisitor& v) { fields(v, again); }));
      CHECK(again.numbers == wide.numbers);
    }
  }
}

TEST_CASE("of a field that comes twice the last one counts") {
  Wide wide;
  std::string bytes = codec::encode_record(sample());
  for (const std::int64_t value : {5, 6}) {
    wide.numbers.assign(60, 0);
    wide.numbers[40] = value;
    wide.order = {40};
    bytes += codec::encode_record(wide).substr(1);  // Without the schema.
  }
  Wide back;
  back.order = {40};
  REQUIRE(codec::decode(bytes, [&](codec::FieldVisitor& v) { fields(v, back); }));
  CHECK(back.numbers[40] == 6);
  const auto rest = codec::decode_record<New>(bytes);
  REQUIRE(rest);
  CHECK(rest->inner.size() == 2);
}

TEST_CASE("bytes that are no record are an error, never a crash") {
  const std::string good = codec::encode_record(sample());
  CHECK_FALSE(codec::decode_record<New>(""));
  for (std::size_t cut = 2; cut < good.size(); ++cut) {
    CAPTURE(cut);
    (void)codec::decode_record<New>(good.substr(0, cut)).has_value();
  }
  SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (int j = 0; j < 3; ++j)
      bad[random.below(bad.size())] = static_cast<char>(random.below(256));
    (void)codec::decode_record<New>(bad).has_value();
  }
}
