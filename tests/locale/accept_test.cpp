// Which language a client gets.
#include <doctest/doctest.h>

#include <map>

#include "cloudos/limits.hpp"
#include "cloudos/locale.hpp"

using namespace cloudos::locale;

TEST_CASE("entries of Accept-Language that are not well formed are left out") {
  struct Row {
    std::string what, header;
    std::vector<LanguageRange> ranges;
  };
  const Row rows[] = {
      {"nothing", "", {}},
      {"one", "ko", {{"ko", 1000}}},
      {"case and blanks", "  KO-kr ;  Q=0.5 ,en", {{"ko-kr", 500}, {"en", 1000}}},
      {"all there is to weights",
       "a;q=0,b;q=1,c;q=0.125,d;q=1.000,e;q=0.",
       {{"a", 0}, {"b", 1000}, {"c", 125}, {"d", 1000}, {"e", 0}}},
      {"weights that are none", "a;q=2,b;q=-1,c;q=0.1234,d;q=,e;q=x,f;w=1,g;q=1.5,h;", {}},
      {"tags that are none", "k o,1a,-ko,ko-,ko--kr,toolongtag,ko_KR,**,\xed\x95\x9c", {}},
      {"some of each", ",,ko;q=0.3,!,en;q=0.2,", {{"ko", 300}, {"en", 200}}},
      {"the star", "*;q=0.1", {{"*", 100}}},
      {"digits behind the first part", "es-419", {{"es-419", 1000}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(parse_accept_language(row.header) == row.ranges);
  }
}

TEST_CASE("a header has bounds: its bytes and its entries") {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "en,";
  CHECK(parse_accept_language(many).size() == cloudos::limits::kLanguageRanges);
  CHECK(parse_accept_language(std::string(cloudos::limits::kLanguageHeaderBytes + 1, ',')).empty());
  const std::string longest = "ko," + std::string(cloudos::limits::kLanguageHeaderBytes - 3, ' ');
  CHECK(parse_accept_language(longest).size() == 1);
  CHECK(parse_accept_language(longest + " ").empty());
}

TEST_CASE("the best language that there is answers, and English when there is none") {
  Catalogues all;
  REQUIRE(all.add("pt-BR", "msgid \"a\"\nmsgstr \"b\"\n"));
  struct Row {
    std::string what, header, language;
  };
  const Row rows[] = {
      {"nothing is wanted", "", "en"},
      {"Korean", "ko", "ko"},
      {"Korean of Korea", "ko-KR", "ko"},
      {"a longer tag", "ko-Kore-KR", "ko"},
      {"the first of equals", "ko,en", "ko"},
      {"the first of equals, English", "en-US,ko", "en"},
      {"the better of two", "en;q=0.5,ko;q=0.8", "ko"},
      {"a browser in Seoul", "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"},
      {"one that there is not, then Korean", "fr-CH, fr;q=0.9, ko;q=0.2", "ko"},
      {"only what there is not", "fr, de;q=0.5", "en"},
      {"Korean is not wanted", "ko;q=0", "en"},
      {"Korean of Korea is not wanted, Korean is", "ko-KR;q=0, ko", "ko"},
      {"anything", "*", "en"},
      {"anything but Korean", "*, ko;q=0", "en"},
      {"rather anything than Korean", "ko;q=0.1, *;q=0.9", "en"},
      {"anything but English", "en;q=0, *", "ko"},
      {"nothing but what there is not", "en;q=0, ko;q=0, fr", "en"},
      {"a tag with a region, as it is", "pt-br", "pt-BR"},
      {"of another region: not the same language's", "pt-PT", "en"},
      {"not well formed", "ko;q=9", "en"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(all.choose(row.header) == row.language);
  }
}

TEST_CASE("a program's language is what its environment says, in gettext's order") {
  const Catalogues all;
  using Environment = std::map<std::string, std::string>;
  struct Row {
    std::string what;
    Environment set;
    std::string language;
  };
  const Row rows[] = {
      {"nothing", {}, "en"},
      {"LANG", {{"LANG", "ko_KR.UTF-8"}}, "ko"},
      {"without a character set", {{"LANG", "ko_KR"}}, "ko"},
      {"with a modifier", {{"LANG", "ko_KR.utf8@hanja"}}, "ko"},
      {"in another character set", {{"LANG", "ko_KR.EUC-KR"}}, "en"},
      {"LC_MESSAGES over LANG", {{"LANG", "ko_KR.UTF-8"}, {"LC_MESSAGES", "en_US.UTF-8"}}, "en"},
      {"LC_ALL over both", {{"LC_ALL", "ko_KR.UTF-8"}, {"LC_MESSAGES", "C"}, {"LANG", "C"}}, "ko"},
      {"C", {{"LANG", "C"}}, "en"},
      {"C in UTF-8", {{"LANG", "C.UTF-8"}}, "en"},
      {"LANGUAGE over all", {{"LANG", "en_US.UTF-8"}, {"LANGUAGE", "fr:ko:en"}}, "ko"},
      {"LANGUAGE without a locale", {{"LANG", "C"}, {"LANGUAGE", "ko"}}, "en"},
      {"a language that there is not", {{"LANG", "fr_FR.UTF-8"}}, "en"},
      {"no name at all", {{"LANG", "....//@@"}}, "en"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto chosen = all.choose_for([&](const std::string& name) -> std::optional<std::string> {
      const auto found = row.set.find(name);
      if (found == row.set.end()) return std::nullopt;
      return found->second;
    });
    CHECK(chosen == row.language);
  }
}
