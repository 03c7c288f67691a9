// The command line in the language of whoever types it.
#include "support/program.hpp"

using namespace program_test;

namespace {

Ran speaking(const std::string& locale, std::vector<std::string> words) {
  words.insert(words.begin(), {"/usr/bin/env", "LANGUAGE=", "LC_ALL=" + locale, CLOUDOS_PROGRAM});
  return run_program(std::move(words), {});
}

}  // namespace

TEST_CASE("help and errors are in the language of the locale, and English in any other") {
  struct Row {
    std::string what;
    std::vector<std::string> words;
    int code;
    std::string english, korean;
  };
  const Row rows[] = {
      {"help of a command",
       {"server", "list", "--help"},
       0,
       "Lists servers.",
       "서버를 나열합니다."},
      {"help of an option",
       {"server", "list", "--help"},
       0,
       "show more columns",
       "더 많은 열을 보여 줍니다"},
      {"help of all", {"--help"}, 0, "Of every command:", "모든 명령에 공통:"},
      {"a command that there is not", {"severs"}, 2, "there is no", "이(가) 없습니다"},
      {"an option too few", {"server", "show"}, 2, "Usage:", "사용법:"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto said = [&](const std::string& locale) {
      const Ran ran = speaking(locale, row.words);
      CHECK(ran.code == row.code);
      return ran.out + ran.err;
    };
    CHECK(said("ko_KR.UTF-8").find(row.korean) != std::string::npos);
    for (const char* locale : {"C", "en_US.UTF-8", "fr_FR.UTF-8", "ko_KR.EUC-KR"}) {
      CAPTURE(locale);
      const std::string text = said(locale);
      CHECK(text.find(row.english) != std::string::npos);
      CHECK(text.find(row.korean) == std::string::npos);
    }
  }
}
