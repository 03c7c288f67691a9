#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cloudos/random.hpp"
#include "fuzz/targets.hpp"

namespace fs = std::filesystem;
using namespace cloudos;

namespace {

std::vector<std::string> corpus_of(std::string_view target) {
  std::vector<std::string> inputs;
  for (const auto& entry : fs::directory_iterator(fs::path(CLOUDOS_CORPUS) / target)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    inputs.push_back(text.str());
  }
  return inputs;
}

/// Cuts, flips and doubles: what a fuzzer does first.
std::string bent(std::string input, Random& random) {
  for (int i = 0; i < 3 && !input.empty(); ++i) {
    const std::size_t at = random.below(input.size());
    switch (random.below(4)) {
      case 0:
        input[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        input.erase(at, 1 + random.below(8));
        break;
      case 2:
        input.insert(at, input.substr(at, 1 + random.below(16)));
        break;
      default:
        input.resize(at);
        break;
    }
  }
  return input;
}

}  // namespace

TEST_CASE("every reader of foreign bytes takes its corpus, whole and bent") {
  SeededRandom random(7);
  for (const fuzz::Target& target : fuzz::targets()) {
    CAPTURE(target.name);
    const auto inputs = corpus_of(target.name);
    CHECK(inputs.size() >= 3);
    for (const std::string& input : inputs) {
      target.run(input);
      for (int i = 0; i < 10; ++i) target.run(bent(input, random));
    }
    target.run("");
  }
}
