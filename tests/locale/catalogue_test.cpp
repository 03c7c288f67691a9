// Messages in another language.
#include "locale/catalogue.hpp"

#include <doctest/doctest.h>

#include "cloudos/limits.hpp"
#include "cloudos/locale.hpp"
#include "locale/built_in.hpp"
#include "locale/po.hpp"

using namespace cloudos::locale;

TEST_CASE("a .po file is read, and what is none is refused with its line") {
  const auto entries = read_po(
      "# a comment\n\nmsgid \"\"\nmsgstr \"Language: ko\\n\"\n\n#: a.cpp\nmsgid \"one \"\n\"two\"\n"
      "msgstr \"\"\n\"하나 \\\"둘\\\"\"\n\n#, fuzzy\nmsgid \"guess\"\nmsgstr \"x\"\n\n"
      "msgid \"empty\"\nmsgstr \"\"\n\nmsgid \"a\\tb\\\\\"\nmsgstr \"c\"\n");
  REQUIRE(entries);
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0].first == "one two");
  CHECK((*entries)[0].second == "하나 \"둘\"");
  CHECK((*entries)[1].first == "a\tb\\");
  struct Row {
    std::string what, text;
  };
  for (const Row& row :
       {Row{"words", "hello"}, Row{"no quotes", "msgid a"}, Row{"an open quote", "msgid \"a"},
        Row{"a quote inside", "msgid \"a\"b\""}, Row{"an escape", "msgid \"\\x\""},
        Row{"an escape at the end", "msgid \"\\\""},
        Row{"a translation of nothing", "msgstr \"a\""}, Row{"a text of nothing", "\"a\""},
        Row{"bytes", "msgid \"\xff\""},
        Row{"too much", std::string(cloudos::limits::kCatalogueBytes + 1, '\n')}}) {
    CAPTURE(row.what);
    CHECK_FALSE(read_po(row.text));
  }
}

TEST_CASE("a message is told by its template, and its places go into the translation") {
  const auto made = Catalogue::make({
      {"whole", "전체"},
      {"{} {} could not be found", "{} {}을(를) 찾을 수 없습니다"},
      {"image {} could not be found", "이미지 {}을(를) 찾을 수 없습니다"},
      {"{} of {} are in use", "{1} 중 {0}을(를) 쓰고 있습니다"},
      {"at most {:.1f} {{MiB}}", "최대 {} {{MiB}}"},
      {"marker: {} is {}", "마커: {}은(는) {}입니다"},
      {"while creating the port {}: {}", "포트 {} 만들기: {}"},
      {"{0} and {0} again", "다시 {0} 그리고 {0}"},
      {"{} must be text", "{}은(는) 텍스트여야 합니다"},
      {"{}", "<{}>"},
      {"there is no option {}{}", "옵션 {}이(가) 없습니다{}"},
      {"a map begins with {", "맵은 {로 시작합니다"},
      {R"(must be {"all": true})", R"({"all": true}여야 합니다)"},
  });
  REQUIRE(made);
  struct Row {
    std::string what, message, translation;
  };
  const Row rows[] = {
      {"without places", "whole", "전체"},
      {"two places", "server 7 could not be found", "server 7을(를) 찾을 수 없습니다"},
      {"the one with most text of its own", "image a b could not be found",
       "이미지 a b을(를) 찾을 수 없습니다"},
      {"another order", "3 of 9 are in use", "9 중 3을(를) 쓰고 있습니다"},
      {"a place with a format, and braces", "at most 2.5 {MiB}", "최대 2.5 {MiB}"},
      {"a place that is empty", " must be text", "은(는) 텍스트여야 합니다"},
      {"a place that begins the message", "server.name must be text",
       "server.name은(는) 텍스트여야 합니다"},
      {"a message that ends with another", "while creating the port p: server.name must be text",
       "포트 p 만들기: server.name은(는) 텍스트여야 합니다"},
      {"the same place twice", "x and x again", "다시 x 그리고 x"},
      {"braces in what was filled in", "image {} could not be found",
       "이미지 {}을(를) 찾을 수 없습니다"},
      {"places side by side", "there is no option --x; is it --y?",
       "옵션 --x이(가) 없습니다; is it --y?"},
      {"places side by side, one of them empty", "there is no option --x",
       "옵션 --x이(가) 없습니다"},
      {"no template", "a map begins with {", "맵은 {로 시작합니다"},
      {"no template either", R"(must be {"all": true})", R"({"all": true}여야 합니다)"},
      {"places only", "anything at all", "<anything at all>"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(made->translate(row.message) == row.translation);
  }
}

TEST_CASE("what no template fits stays as it is, but for a message behind a colon") {
  const auto made = Catalogue::make({{"no address is left", "남은 주소가 없습니다"},
                                     {"must be text", "텍스트여야 합니다"},
                                     {"it is cut off", "잘려 있습니다"},
                                     {"key: {}; give one line", "키: {}; 한 줄로 주십시오"},
                                     {"cannot open it: ", "열 수 없습니다: "}});
  REQUIRE(made);
  CHECK(made->translate("something else") == "something else");
  CHECK(made->translate("creating port on net-a: no address is left") ==
        "creating port on net-a: 남은 주소가 없습니다");
  CHECK(made->translate("server.name must be text") == "server.name 텍스트여야 합니다");
  CHECK(made->translate("key: it is cut off; give one line") ==
        "키: 잘려 있습니다; 한 줄로 주십시오");
  CHECK(made->translate("cannot open it: Permission denied") ==
        "열 수 없습니다: Permission denied");
  CHECK(made->translate("") == "");
  const std::string longest(100'000, 'x');
  CHECK(made->translate(longest) == longest);
}

TEST_CASE("a translation with other places is refused") {
  struct Row {
    std::string what, id, text;
  };
  for (const Row& row : {Row{"one less", "{} and {}", "{}"}, Row{"one more", "{}", "{} {}"},
                         Row{"not closed", "{}", "{"}, Row{"no number", "{}", "{x}"},
                         Row{"a number too large", "{}", "{99}"}}) {
    CAPTURE(row.what);
    CHECK_FALSE(Catalogue::make({{row.id, row.text}}));
  }
}

TEST_CASE("hostile messages cost little") {
  const auto made = Catalogue::make(
      {{"{} a {} a {} a {} a {} b", "{} {} {} {} {}"}, {"{}{}{}{}{}c", "{}{}{}{}{}"}});
  REQUIRE(made);
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += " a ";
  CHECK(made->translate(many) == many);
}

TEST_CASE("every catalogue that comes with the library can be read and used") {
  for (const auto& built_in : built_in_catalogues()) {
    CAPTURE(built_in.language);
    const auto entries = read_po(built_in.po);
    REQUIRE(entries);
    CHECK(entries->size() > 1'000);
    const auto made = Catalogue::make(*entries);
    const std::string why = made ? "" : made.error().message;
    CAPTURE(why);
    REQUIRE(made);
    std::size_t same = 0;
    for (const auto& [id, text] : *entries) same += id == text;
    CHECK(same * 50 < entries->size());
  }
  const auto& all = Catalogues::built_in();
  CHECK(all.languages().front() == "en");
  CHECK(all.translate("ko", "server 7 could not be found") != "server 7 could not be found");
  CHECK(all.translate("en", "server 7 could not be found") == "server 7 could not be found");
  CHECK(all.translate("fr", "server 7 could not be found") == "server 7 could not be found");
}

TEST_CASE("a host program adds a language of its own, and only under a tag") {
  Catalogues all;
  const std::string po = "msgid \"{} {} could not be found\"\nmsgstr \"{} {} introuvable\"\n";
  REQUIRE(all.add("fr", po));
  CHECK(all.translate("fr", "server 7 could not be found") == "server 7 introuvable");
  CHECK(all.choose("fr-CA, en;q=0.5") == "fr");
  for (const char* tag : {"", "*", "en", "fr;q=1", "fr,de", "f r", "_"}) {
    CAPTURE(tag);
    CHECK_FALSE(all.add(tag, po));
  }
}
