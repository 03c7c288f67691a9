#include <doctest/doctest.h>

#include "base/text.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/random.hpp"

using namespace cloudos;

TEST_CASE("utf8_length counts characters and refuses what is not UTF-8") {
  struct Row { std::string what; std::string text; std::optional<std::size_t> length; };
  const Row rows[] = {
      {"empty", "", 0},
      {"ascii", "abc", 3},
      {"korean", "서버", 2},
      {"emoji", "\xf0\x9f\x98\x80", 1},
      {"overlong slash", "\xc0\xaf", std::nullopt},
      {"surrogate", "\xed\xa0\x80", std::nullopt},
      {"cut off", "\xe2\x82", std::nullopt},
      {"above U+10FFFF", "\xf4\x90\x80\x80", std::nullopt},
      {"lone continuation", "\x80", std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(utf8_length(row.text) == row.length);
  }
}

TEST_CASE("case folding covers Latin, Greek and Cyrillic and leaves other scripts alone") {
  CHECK(fold_case("ABCäÖ") == "abcäö");
  CHECK(fold_case("ΑΒΓ") == "αβγ");
  CHECK(fold_case("ЖЁ") == "жё");
  CHECK(fold_case("서버") == "서버");
  CHECK(fold_case("\xff") == "\xff");
}

TEST_CASE("base64 round trips every length and refuses what is not base64") {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    CAPTURE(i);
    CHECK(from_base64(to_base64(bytes)) == bytes);
    CHECK(from_base64(to_base64(bytes, true), true) == bytes);
    bytes += static_cast<char>(i * 37);
  }
  for (const char* bad : {"a", "====", "ab=c", "a b=", "ab*d", "-_-_", "QR=="}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad));
  }
}

TEST_CASE("base64 is as RFC 4648 has it") {
  struct Row { std::string what; std::string bytes; std::string text; std::string url; };
  const Row rows[] = {
      {"nothing", "", "", ""},           {"one", "f", "Zg==", "Zg"},
      {"two", "fo", "Zm8=", "Zm8"},      {"three", "foo", "Zm9v", "Zm9v"},
      {"five", "fooba", "Zm9vYmE=", "Zm9vYmE"}, {"all ones", "\xff\xff\xfe", "///+", "___-"},
      {"signs", "\xfb\xff", "+/8=", "-_8"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(to_base64(row.bytes) == row.text);
    CHECK(to_base64(row.bytes, true) == row.url);
  }
}

TEST_CASE("numbers are read whole or not at all") {
  CHECK(parse_unsigned("18446744073709551615") == UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "0x10"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_unsigned(bad));
  }
  CHECK(parse_signed("-5") == -5);
}

TEST_CASE("names are limited in characters, not bytes") {
  std::string name;
  for (std::size_t i = 0; i < limits::kNameChars; ++i) name += "서";
  CHECK(check_name("name", name, 1, limits::kNameChars));
  CHECK_FALSE(check_name("name", name + "x", 1, limits::kNameChars));
  CHECK_FALSE(check_name("name", "", 1, limits::kNameChars));
  CHECK_FALSE(check_name("name", "a\nb", 1, limits::kNameChars));
  CHECK_FALSE(check_name("name", std::string(1 << 20, 'a'), 1, limits::kNameChars));
}

TEST_CASE("JSON strings stay JSON whatever bytes they are made of") {
  std::string out;
  append_json_string(out, std::string("a\"\\\n\x01\xff ä", 9));
  CHECK(out == "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd ä\"");
}

TEST_CASE("JSON strings are the same wherever in them a byte stands") {
  // Long runs are looked at several bytes at a time: each byte at each place, beside others.
  const auto one_by_one = [](std::string_view text) {
    std::string out;
    for (const char c : text) append_json_text(out, {&c, 1});
    return out;
  };
  for (int c = 0; c < 0x80; ++c) {
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, 'x');
      text[at] = static_cast<char>(c);
      if (at > 0) text[at - 1] = '!';  // One above a blank, and next to a quote.
      std::string out;
      append_json_text(out, text);
      REQUIRE(out == one_by_one(text));
    }
  }
  for (std::size_t at = 0; at < 20; ++at) {
    std::string text(20, 'x');
    text.insert(at, "서\"");
    std::string out;
    append_json_text(out, text);
    CHECK(out == std::string(at, 'x') + "서\\\"" + std::string(20 - at, 'x'));
    text.insert(at, "\xec\x84");
    out.clear();
    append_json_text(out, text);
    CHECK(out == std::string(at, 'x') + "\xef\xbf\xbd\xef\xbf\xbd서\\\"" +
                     std::string(20 - at, 'x'));
  }
}

TEST_CASE("times are written for every year") {
  struct Row { std::string what; std::int64_t micros; std::string text; };
  const Row rows[] = {
      {"the beginning", 0, "1970-01-01T00:00:00.000000Z"},
      {"before it", -1, "1969-12-31T23:59:59.999999Z"},
      {"a leap day", 1'709'164'800'000'010, "2024-02-29T00:00:00.000010Z"},
      {"year 1", -62'135'596'800'000'000, "0001-01-01T00:00:00.000000Z"},
      {"the last of four digits", 253'402'300'799'999'999, "9999-12-31T23:59:59.999999Z"},
      {"five digits", 253'402'300'800'000'000, "10000-01-01T00:00:00.000000Z"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(format_time(WallTime{std::chrono::microseconds{row.micros}}, true) == row.text);
  }
}

TEST_CASE("times are read as they are written, and nonsense is refused") {
  const WallTime time{std::chrono::microseconds{1'700'000'000'123'456}};
  CHECK(format_time(time) == "2023-11-14T22:13:20Z");
  CHECK(*parse_time(format_time(time, true)) == time);
  for (const char* bad : {"", "2023", "2023-13-01T00:00:00Z", "2023-02-30T00:00:00Z",
                          "2023-01-01T25:00:00Z", "2023-01-01T00:00:00.Z", "2023-01-01T00:00:00X"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_time(bad));
  }
}

TEST_CASE("ids increase even when the clock stands still or goes back") {
  ManualClock clock;
  SeededRandom random(7);
  IdSource ids(clock, random);
  std::string last;
  for (int i = 0; i < 20'000; ++i) {
    if (i == 5'000) clock.jump_wall(-std::chrono::hours{24});
    const std::string id = ids.uuid();
    REQUIRE(id > last);
    REQUIRE(is_uuid_like(id));
    last = id;
  }
  CHECK(ids.hex().size() == 32);
}

TEST_CASE("the same seed draws the same bytes, and below() stays below") {
  SeededRandom a(42), b(42);
  for (int i = 0; i < 100; ++i) {
    const auto x = a.below(10);
    CHECK(x == b.below(10));
    CHECK(x < 10);
  }
}

TEST_CASE("secrets are equal when every byte is") {
  struct Row {
    std::string what, a, b;
    bool same;
  };
  const Row rows[] = {
      {"nothing", "", "", true},
      {"the same", "0123456789abcdef", "0123456789abcdef", true},
      {"another first byte", "x123456789abcdef", "0123456789abcdef", false},
      {"another last byte", "0123456789abcdex", "0123456789abcdef", false},
      {"a beginning of the other", "0123", "0123456789abcdef", false},
      {"nothing against something", "", "0", false},
      {"bytes behind a zero", std::string("a\0b", 3), std::string("a\0c", 3), false},
      {"zeros", std::string(3, '\0'), std::string(3, '\0'), true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(equal_secret(row.a, row.b) == row.same);
    CHECK(equal_secret(row.b, row.a) == row.same);
  }
}
