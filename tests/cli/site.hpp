#pragma once
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "support/program.hpp"

/// A cloud and the command line client that talks to it.
namespace cli_test {

using nlohmann::json;
using program_test::Ran;

struct Site {
  program_test::Cloudosd server{CLOUDOSD_PROGRAM};
  program_test::TempDir dir;

  Ran cloudos(std::vector<std::string> words) {
    words.insert(words.begin(), CLOUDOS_PROGRAM);
    return program_test::run_program(std::move(words), server.client_variables());
  }
  json ask(std::vector<std::string> words) {
    words.insert(words.end(), {"-f", "json"});
    std::string line;
    for (const auto& word : words) line += word + " ";
    const Ran ran = cloudos(words);
    INFO(line << ran.err << server.log());
    REQUIRE(ran.code == 0);
    return ran.out.empty() ? json() : json::parse(ran.out);
  }
  /// A line of words; 'in quotes' is one word.
  Ran line(const std::string& text) { return cloudos(words_of(text)); }

  static std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false, any = false;
    for (const char c : text) {
      if (c == '\'') {
        quoted = !quoted;
        any = true;
      } else if (c == ' ' && !quoted) {
        if (any) words.push_back(word);
        word.clear();
        any = false;
      } else {
        word += c;
        any = true;
      }
    }
    if (any) words.push_back(word);
    return words;
  }
};

inline Site& shared_site() {
  static Site site;
  return site;
}

struct Step {
  std::string line;
  int code;
  std::string says;   ///< Somewhere on stdout, or stderr where the code is not 0.
  std::string never{};  ///< Nowhere on stdout.
};

inline void walk(Site& site, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    CAPTURE(step.line);
    const Ran ran = site.line(step.line);
    CAPTURE(ran.out);
    CAPTURE(ran.err);
    CHECK(ran.code == step.code);
    CHECK((step.code == 0 ? ran.out : ran.err).find(step.says) != std::string::npos);
    if (!step.never.empty()) CHECK(ran.out.find(step.never) == std::string::npos);
  }
}

}  // namespace cli_test
